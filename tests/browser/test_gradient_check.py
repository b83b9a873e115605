"""The panel of gradient checks in real JupyterLab, with a fault planted by a custom rule.

It leaves ``gradient-check-light.png`` and ``gradient-check-dark.png`` in ``.artifacts``.
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


@jax.custom_vjp
def swish(x):
    return x * jax.nn.sigmoid(x)


def forward(x):
    return swish(x), x


def backward(x, g):
    return (g * jax.nn.sigmoid(x),)  # the second term is missing


swish.defvjp(forward, backward)


def loss_fn(params, batch):
    images, labels = batch
    x = jax.nn.relu(images @ params["strokes"]["w"] + params["strokes"]["b"])
    x = swish(x @ params["shapes"]["w"] + params["shapes"]["b"])
    x = jax.nn.relu(x @ params["hidden"]["w"] + params["hidden"]["b"])
    logits = x @ params["digit"]["w"] + params["digit"]["b"]
    penalty = 0.01 * sum(jnp.sum(layer["w"] ** 2) for layer in params.values())
    data = optax.softmax_cross_entropy_with_integer_labels(logits, labels).mean()
    return data + penalty, {"penalty": penalty}


random = np.random.default_rng(0)
images = random.normal(size=(16, 8)).astype("float32") * (np.arange(16) % 3 > 0)[:, None]  # some are black


def layer(inputs, outputs):
    weights = random.normal(size=(inputs, outputs)).astype("float32") / inputs**0.5
    return {"w": weights, "b": np.zeros(outputs, "float32")}


params = {"strokes": layer(8, 12), "shapes": layer(12, 10), "hidden": layer(10, 10), "digit": layer(10, 4)}
session = nnw.Session(nnw.Objective(loss_fn, params), optax.adam(1e-2), [(images, np.arange(16) % 4)])
session
"""
STEP = "Number(document.querySelector('.nnw-status b').textContent.replaceAll(',', ''))"
# the dashboard has a table of runs as well
TABLE = ".nnw-table:not(.nnw-runs-table)"
CARD = f"document.querySelector('{TABLE}').closest('.nnw-card')"
RUN = "session.run(1_000_000)"


def test_a_planted_fault_is_found_by_a_click_while_the_cell_is_busy(chromium: Browser, lab: Lab) -> None:
    with one_page(chromium, lab) as notebook:
        page = notebook.page
        page.set_viewport_size({"width": 1280, "height": 900})
        notebook.open([MODEL, RUN, "session.findings"])
        notebook.run(0)
        dashboard = page.locator(".nnw").first
        check, table = dashboard.locator("button").filter(has_text="Check gradients"), dashboard.locator(TABLE)
        # before the first step: in the background, the kernel stays free
        check.click()
        table.wait_for(timeout=120_000)
        # black images and zero biases put ReLU exactly at its corner
        assert verdicts(table)["hidden/b"] == "kink"
        # during the run
        notebook.start(1)
        page.wait_for_function(f"() => {STEP} > 20", timeout=120_000)
        check.click()
        page.wait_for_function(f"() => /step [1-9]/.test({CARD}.innerText)", timeout=120_000)
        assert notebook.busy(1)
        found = verdicts(table)
        assert {found["strokes/w"], found["strokes/b"], found["shapes/w"], found["shapes/b"]} == {"wrong"}
        assert {found["hidden/w"], found["digit/w"], found["digit/b"]} <= {"ok", "kink"}
        card = dashboard.locator(".nnw-card").filter(has=page.locator(TABLE))
        assert "cause: custom_vjp swish at cell [1]:" in card.inner_text()
        page.locator(".nnw-controls button").filter(has_text="Stop").first.click()
        notebook.wait_for(1)
        assert "cell [1]:" in dashboard.locator(".nnw-finding.nnw-problem").inner_text()
        for theme in ("light", "dark"):
            notebook.theme(theme)
            card.scroll_into_view_if_needed()
            page.wait_for_timeout(1000)
            card.screenshot(path=notebook.artifacts / f"gradient-check-{theme}.png")
        assert "WrongGradient" in notebook.run(2)
        assert notebook.errors() == []


def verdicts(table: Locator) -> dict[str, str]:
    """The verdict of each tensor in the table."""
    rows = (row.locator("td").all_inner_texts() for row in table.locator("tr:not(.nnw-below)").all()[1:])
    return {cells[1].split("\n")[0].strip(): cells[2] for cells in rows}
