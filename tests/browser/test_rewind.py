"""Going back in real JupyterLab, with the slider of a run that stands still in a busy cell and of one that has ended.

It leaves ``rewind-light.png`` and ``rewind-dark.png`` in ``.artifacts``.
"""

from __future__ import annotations

from typing import Any

from playwright.sync_api import Browser, Page

from ._lab import Lab
from .conftest import one_page

MODEL = """
import jax
import jax.numpy as jnp
import numpy as np
import optax
import nnwidgets as nnw

random = np.random.default_rng(0)
x = random.normal(size=(256, 16)).astype("float32")
y = np.sin(x @ random.normal(size=16)).astype("float32")


def loss_fn(params, batch):
    inputs, targets = batch
    hidden = jnp.tanh(inputs @ params["hidden"]["w"] + params["hidden"]["b"])
    return jnp.mean((hidden @ params["out"]["w"] - targets) ** 2)


params = {
    "hidden": {"w": random.normal(size=(16, 32)).astype("float32") / 4, "b": np.zeros(32, "float32")},
    "out": {"w": random.normal(size=32).astype("float32") / 6},
}
batches = lambda step: (x[(step * 32) % 256 :][:32], y[(step * 32) % 256 :][:32])
session = nnw.Session(nnw.Objective(loss_fn, params), optax.adam(3e-2), batches)
session
"""
NAN = """
def log_loss(params, batch):
    inputs, targets = batch
    scores = inputs @ params["hidden"]["w"] @ params["out"]["w"]
    return -jnp.mean(jnp.log(jax.nn.sigmoid(40 * scores)))


broken = nnw.Session(nnw.Objective(log_loss, params), optax.sgd(0.5), [(-x[k : k + 32] * (1 + k), y[:32]) for k in range(8)])
display(broken)
broken.run(100)
"""
STEP = "Number(document.querySelector('.nnw-status b').textContent.replaceAll(',', ''))"
BROKEN = "[...document.querySelectorAll('.nnw-finding.nnw-problem')].at(-1)"
MESSAGE = "document.querySelector('.nnw-controls').innerText"


def test_the_slider_goes_back_and_running_on_is_a_branch(chromium: Browser, lab: Lab) -> None:
    with one_page(chromium, lab) as notebook:
        page = notebook.page
        page.set_viewport_size({"width": 1280, "height": 900})
        cells = ["session.pause_when(400)\nsession.run(1_000_000)", "[b.step for b in session.history.branches]"]
        notebook.open([MODEL, *cells, "session.rewind(100).fork(80, multiplier=0.1)", NAN])
        notebook.run(0)
        notebook.start(1)
        page.wait_for_function(f"() => {STEP} === 400 && {MESSAGE}.includes('paused')", timeout=120_000)
        step = back(page, times=4)
        assert 0 < step < 390
        assert notebook.busy(1)
        assert f"rewound to step {step}" in page.locator(".nnw-controls").first.inner_text()
        # the numbers above the loss are those of that step
        loss = page.locator(".nnw-card").filter(has=page.locator(".nnw-title", has_text="Loss")).first
        assert "step" not in loss.locator("b").first.inner_text()
        factor = page.locator(".nnw-group").filter(has=page.locator(".fa-undo")).locator("input").last
        factor.fill("0.1")
        factor.press("Enter")
        button(page, "Resume").click()
        page.wait_for_function(f"() => {STEP} > 430", timeout=120_000)
        button(page, "Pause").click()
        page.wait_for_function(f"() => {MESSAGE}.includes('Resume')", timeout=60_000)
        for theme in ("light", "dark"):
            notebook.theme(theme)
            page.locator(".nnw-controls").first.scroll_into_view_if_needed()
            page.wait_for_timeout(1000)
            page.screenshot(path=notebook.artifacts / f"rewind-{theme}.png")
        loss.scroll_into_view_if_needed()
        page.wait_for_timeout(500)
        loss.screenshot(path=notebook.artifacts / "rewind-loss-dark.png")
        assert f"grey: before the rewind to step {step}" in loss.inner_text()
        button(page, "Stop").click()
        notebook.wait_for(1)
        # no cell is running: one step back, and to the very beginning
        stopped = page.evaluate(f"() => {STEP}")
        page.locator(".nnw-controls button:has(.fa-step-backward)").first.click()
        page.wait_for_function(f"() => {STEP} === {stopped - 1}", timeout=60_000)
        handle(page).press("Home")
        page.wait_for_function(f"() => {STEP} === 0", timeout=60_000)
        assert f"[{step}]" in notebook.run(2)
        assert "0.1, from step 100 on for 80 steps" in notebook.run(3)
        loss.scroll_into_view_if_needed()
        page.wait_for_timeout(1000)
        assert "dotted: fork, unchanged" in loss.inner_text()
        loss.screenshot(path=notebook.artifacts / "fork-dark.png")
        # a run that ends in an infinite loss says where, in the notebook's own words
        notebook.start(4)
        finding = page.locator(".nnw-finding.nnw-problem").last
        finding.wait_for(timeout=120_000)
        finding.scroll_into_view_if_needed()
        page.wait_for_function(f"() => {BROKEN}.innerText.includes('gave -inf')", timeout=60_000)
        assert notebook.busy(4)
        page.wait_for_timeout(1000)
        assert "log at cell [5]:4 gave -inf" in finding.inner_text()
        for theme in ("dark", "light"):
            notebook.theme(theme)
            page.wait_for_timeout(500)
            page.screenshot(path=notebook.artifacts / f"nan-origin-{theme}.png")
        page.locator(".nnw-controls").last.locator("button").filter(has_text="Stop").click()
        notebook.wait_for(4)
        assert notebook.errors() == []


def button(page: Page, words: str) -> Any:
    return page.locator(".nnw-controls button").filter(has_text=words).first


def handle(page: Page) -> Any:
    group = page.locator(".nnw-group").filter(has=page.locator(".fa-step-backward"))
    return group.locator(".noUi-handle").first


def back(page: Page, times: int) -> int:
    """The step that so many presses of Page Down lead to."""
    for _ in range(times):
        before = page.evaluate(f"() => {STEP}")
        handle(page).press("PageDown")
        page.wait_for_function(f"() => {STEP} < {before}", timeout=30_000)
    return page.evaluate(f"() => {STEP}")
