"""Findings in real JupyterLab: the set-up is checked by a click, a finding opens to its evidence, its remedy is tried.

It leaves ``findings-light.png`` and ``findings-dark.png`` in ``.artifacts``.
"""

from __future__ import annotations

from playwright.sync_api import Browser

from ._lab import Lab
from .conftest import one_page

MODEL = """
import jax
import jax.numpy as jnp
import numpy as np
import optax
import nnwidgets as nnw

random = np.random.default_rng(0)
labels = random.integers(0, 4, 256)
inputs = (random.normal(size=(4, 6))[labels] + 0.4 * random.normal(size=(256, 6))).astype("float32")
batches = [(inputs[i : i + 32], labels[i : i + 32]) for i in range(0, 256, 32)]
params = {
    "hidden": {"w": random.normal(size=(6, 16)).astype("float32") / 6**0.5, "b": np.zeros(16, "float32")},
    "head": {"w": random.normal(size=(16, 4)).astype("float32") / 4, "b": np.zeros(4, "float32")},
}


def logits_of(params, inputs):
    hidden = jax.nn.relu(inputs @ params["hidden"]["w"] + params["hidden"]["b"])
    return hidden @ params["head"]["w"] + params["head"]["b"]


def wrong(params, batch):
    outputs = jax.nn.softmax(logits_of(params, batch[0]))
    return optax.softmax_cross_entropy_with_integer_labels(outputs, batch[1]).mean()


def right(params, batch):
    return optax.softmax_cross_entropy_with_integer_labels(logits_of(params, batch[0]), batch[1]).mean()


objective = nnw.Objective(wrong, params, alternatives={"the logits": nnw.Objective(right, params)})
session = nnw.Session(objective, optax.sgd(0.3), batches)
session
"""


def test_a_finding_is_opened_and_its_remedy_tried(chromium: Browser, lab: Lab) -> None:
    with one_page(chromium, lab) as notebook:
        page = notebook.page
        page.set_viewport_size({"width": 1280, "height": 1000})
        notebook.open([MODEL, "session.run(150)", "session.findings"])
        notebook.run(0)
        card = page.locator(".nnw-card").filter(has=page.locator(".nnw-title", has_text="Findings")).first
        # before the first step, in the background: the kernel stays free
        card.locator("button").filter(has_text="Check the set-up").click()
        finding = card.locator(".nnw-finding").filter(has_text="softmax twice")
        finding.wait_for(timeout=120_000)
        assert "cell [1]:23" in finding.inner_text()
        assert "jax.nn.softmax(logits_of(params, batch[0]))" in finding.locator(".nnw-code").inner_text()
        notebook.run(1)
        card.locator("button").filter(has_text="Try the remedy").first.click()
        tried = card.locator(".nnw-finding").filter(has_text="softmax twice").filter(has_text="tried: the logits")
        tried.wait_for(timeout=120_000)
        assert "it helped" in tried.inner_text()
        assert not card.locator("button").filter(has_text="Try the remedy of “softmax twice”").is_visible()
        tried.locator("summary").first.click()
        assert "floor of the loss" in tried.locator(".nnw-evidence").first.inner_text()
        for theme in ("dark", "light"):
            notebook.theme(theme)
            card.evaluate("card => card.scrollIntoView({ block: 'start' })")
            page.wait_for_timeout(500)
            notebook.screenshot(f"findings-{theme}")
        text = notebook.run(2)
        assert "SoftmaxTwice" in text
        assert "verified=True" in text
        assert notebook.errors() == []
