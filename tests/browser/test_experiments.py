"""Experiments on a button in real JupyterLab: beside a busy cell, stopped half way, and from a cell of one's own.

It leaves ``experiments-light.png`` and ``experiments-dark.png`` in ``.artifacts``.
"""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest
from playwright.sync_api import Browser, Locator, Page

from ._lab import Lab
from .conftest import one_page

# it passed beside a busy cell, and once waited for its picture in vain: to be understood before it guards anything
pytestmark = pytest.mark.long

MODEL = """
import jax
import jax.numpy as jnp
import numpy as np
import optax
import nnwidgets as nnw


def loss_fn(params, batch):
    inputs, labels = batch
    logits = jax.nn.relu(inputs @ params["hidden"]["w"] + params["hidden"]["b"]) @ params["digit"]["w"]
    return optax.softmax_cross_entropy_with_integer_labels(logits, labels).mean()


random = np.random.default_rng(0)
params = {
    "hidden": {"w": random.normal(size=(8, 32)).astype("float32") / 3, "b": np.zeros(32, "float32")},
    "digit": {"w": random.normal(size=(32, 4)).astype("float32") / 6},
}
inputs = random.normal(size=(512, 8)).astype("float32")
labels = np.argmax(inputs[:, :4] + 0.5 * random.normal(size=(512, 4)), 1)
batches = [(inputs[i : i + 32], labels[i : i + 32]) for i in range(0, 512, 32)]
session = nnw.Session(nnw.Objective(loss_fn, params), optax.sgd(0.01), batches)
session
"""
STEP = "Number(document.querySelector('.nnw-status b').textContent.replaceAll(',', ''))"


def _in_view_until(page: Page, card: Locator, done: Callable[[], bool]) -> None:
    """Wait with the card in view: what is out of it is not drawn, and the notebook scrolls when a cell begins or ends."""
    deadline = time.monotonic() + 180
    while not done():
        assert time.monotonic() < deadline, card.inner_text()
        card.scroll_into_view_if_needed()
        page.wait_for_timeout(250)


def test_an_experiment_is_tried_beside_a_busy_cell_and_another_is_stopped(chromium: Browser, lab: Lab) -> None:
    with one_page(chromium, lab) as notebook:
        page = notebook.page
        page.set_viewport_size({"width": 1280, "height": 1000})
        notebook.open([MODEL, "session.run(10_000_000)", "session.explore.learning_rate_range()", "session.explore"])
        notebook.run(0)
        card = page.locator(".nnw-card").filter(has=page.locator("button", has_text="Run").locator("i.fa-flask")).first
        card.scroll_into_view_if_needed()
        choose, run, stop = (
            card.locator("select"),
            card.locator("button", has_text="Run"),
            card.locator("button", has_text="Stop"),
        )
        assert "costs" in card.inner_text()
        notebook.start(1)
        page.wait_for_function(f"() => {STEP} > 50", timeout=120_000)
        choose.select_option("learning rate range")
        run.click()
        _in_view_until(page, card, lambda: card.locator("svg").count() > 0)
        assert notebook.busy(1)
        assert "learning rate" in card.locator(".nnw-exploration").inner_text()
        # the run has gone on meanwhile
        before = page.evaluate(STEP)
        page.wait_for_function(f"() => {STEP} > {before} + 50", timeout=120_000)
        choose.select_option("optimizers")
        run.click()
        page.wait_for_function(
            "() => /of \\d+, about/.test(document.querySelector('.nnw-controls').innerText)", timeout=180_000
        )
        stop.click()
        _in_view_until(page, card, lambda: "stopped early" in card.locator(".nnw-exploration").inner_text())
        page.locator(".nnw-controls button").filter(has_text="Stop").first.click()
        notebook.wait_for(1)
        choose.select_option("learning rate range")
        card.locator("svg").first.wait_for(timeout=60_000)
        for theme in ("light", "dark"):
            notebook.theme(theme)
            card.scroll_into_view_if_needed()
            page.wait_for_timeout(1000)
            card.screenshot(path=notebook.artifacts / f"experiments-{theme}.png")
        notebook.run(2)
        assert page.locator(".jp-OutputArea .nnw-exploration svg").count() >= 2, "the cell shows the picture, too"
        assert "session.explore.learning_rate_range()" in notebook.run(3)
        assert notebook.errors() == []
