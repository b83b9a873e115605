"""The checklist in real JupyterLab: lights that go from grey to green, and to red where something is wrong.

It leaves ``checklist-light.png`` and ``checklist-dark.png`` (all five steps checked), ``checklist-fault.png``,
``look-inside.png`` and ``network.png`` in ``.artifacts``.
"""

from __future__ import annotations

from playwright.sync_api import Browser, Locator

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
    hidden = jnp.tanh(inputs @ params["hidden"]["w"] + params["hidden"]["b"])
    return hidden @ params["head"]["w"] + params["head"]["b"]


def loss(params, batch):
    return optax.softmax_cross_entropy_with_integer_labels(logits_of(params, batch[0]), batch[1]).mean()


session = nnw.Session(nnw.Objective(loss, params), optax.adam(1e-2), batches)
session
"""
FAULTY = """
def twice(params, batch):
    probabilities = jax.nn.softmax(logits_of(params, batch[0]))
    return optax.softmax_cross_entropy_with_integer_labels(probabilities, batch[1]).mean()


faulty = nnw.Session(nnw.Objective(twice, params), optax.adam(1e-2), batches)
faulty
"""
HEADINGS = 5


def lights(column: Locator) -> list[str]:
    return column.locator(".nnw-heading .nnw-light").evaluate_all(
        "all => all.map(each => each.className.match(/nnw-light-(\\w+)/)[1])"
    )


def test_the_column_goes_from_grey_to_green_and_to_red(chromium: Browser, lab: Lab) -> None:
    with one_page(chromium, lab) as notebook:
        page = notebook.page
        page.set_viewport_size({"width": 1500, "height": 1300})
        notebook.open([MODEL, "session.run(200)", "session.checklist('first loss')", FAULTY, "faulty.run(20)"])
        notebook.run(0)
        column = page.locator(".nnw-checklist").first
        column.wait_for()
        assert lights(column) == ["none"] * HEADINGS
        notebook.run(1)

        column.locator("button.nnw-run-all").click()
        column.locator(".nnw-light-waiting").first.wait_for()
        page.wait_for_function(
            "() => !document.querySelector('.nnw-checklist .nnw-light-waiting') &&"
            " !document.querySelector('.nnw-checklist summary .nnw-light-none')",
            timeout=240_000,
        )
        assert lights(column) == ["ok"] * HEADINGS, column.inner_text()

        # a row opens to its numbers, and stays open when it is run again
        row = column.locator(".nnw-check-row").filter(has_text="first loss")
        row.locator("summary").click()
        assert "expected" in row.inner_text()
        row.locator("button").click()
        row.locator(".nnw-light-ok").wait_for(timeout=60_000)
        assert row.locator("details").get_attribute("open") is not None
        for theme in ("dark", "light"):
            notebook.theme(theme)
            page.evaluate("() => document.querySelector('.nnw').scrollIntoView({ block: 'start' })")
            page.wait_for_timeout(800)
            notebook.screenshot(f"checklist-{theme}")
        assert "✓ first loss" in notebook.run(2)

        # one example after the other, and the network
        card = page.locator(".nnw-card").filter(has=page.locator(".nnw-images")).first
        card.scroll_into_view_if_needed()
        card.locator("button:not(.nnw-title)").filter(has_text="Look inside").click()
        card.get_by_text("1 of 256").wait_for(timeout=60_000)
        card.locator("button").filter(has_text="Next").click()
        card.get_by_text("2 of 256").wait_for(timeout=60_000)
        notebook.screenshot("look-inside")
        network = page.locator(".nnw-card").filter(has=page.locator(".nnw-network")).first
        network.scroll_into_view_if_needed()
        network.get_by_text("2 layers, 180 parameters").wait_for(timeout=10_000)
        network.locator("canvas").wait_for()
        notebook.screenshot("network")

        notebook.run(3)
        notebook.run(4)
        column = page.locator(".nnw-checklist").nth(1)
        row = column.locator(".nnw-check-row").filter(has_text="set-up")
        row.locator("button").click()
        row.locator(".nnw-light-wrong").wait_for(timeout=120_000)
        assert lights(column)[1] == "wrong"
        assert column.locator(".nnw-check-finding").filter(has_text="softmax twice").count() == 1
        page.evaluate("() => document.querySelectorAll('.nnw')[1].scrollIntoView({ block: 'start' })")
        page.wait_for_timeout(800)
        notebook.screenshot("checklist-fault")
        assert notebook.errors() == []
