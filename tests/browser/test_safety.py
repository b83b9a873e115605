"""Names, words and errors that hold markup, in real JupyterLab: they are shown letter by letter, and nothing of them runs.

It leaves ``safety-light.png``, ``safety-dark.png``, ``safety-network.png`` and ``safety-runs.png`` in ``.artifacts``.
"""

from __future__ import annotations

from pathlib import Path

from playwright.sync_api import Browser, Dialog

from ._lab import Lab
from .conftest import one_page

IMAGE = '<img src=x onerror="window.hacked=1">'
SCRIPT = """'"><script>window.hacked=2</script></textarea><b onmouseover="window.hacked=3">$\\alpha$&amp;"""
MODEL = """
import os
os.environ["NNWIDGETS_HOME"] = {home!r}
os.environ.pop("NNWIDGETS_TRACK", None)
import ipywidgets
import jax
import jax.numpy as jnp
import numpy as np
import optax
import nnwidgets as nnw
from nnwidgets.panels import Panel

IMAGE, SCRIPT = {image!r}, {script!r}
random = np.random.default_rng(0)
labels = random.integers(0, 4, 128)
inputs = (random.normal(size=(4, 6))[labels] + 0.4 * random.normal(size=(128, 6))).astype("float32")
batches = [(inputs[i : i + 32], labels[i : i + 32]) for i in range(0, 128, 32)]
params = {{
    IMAGE: {{"w" + SCRIPT: random.normal(size=(6, 16)).astype("float32") / 6**0.5, "b": np.zeros(16, "float32")}},
    "head" + SCRIPT: {{"w": random.normal(size=(16, 4)).astype("float32") / 4, "b": np.zeros(4, "float32")}},
}}


def loss(params, batch):
    hidden = jax.nn.relu(batch[0] @ params[IMAGE]["w" + SCRIPT] + params[IMAGE]["b"])
    logits = hidden @ params["head" + SCRIPT]["w"] + params["head" + SCRIPT]["b"]
    value = optax.softmax_cross_entropy_with_integer_labels(logits, batch[1]).mean()
    return value, {{"metrics": {{IMAGE: value, SCRIPT: (logits**2).mean()}}, "outputs": logits, "targets": batch[1]}}


def broken(snapshot):
    raise ValueError(IMAGE)


class Rule:
    def check(self, history):
        if "train/loss" in history and len(history["train/loss"]) > 10:
            evidence = {{IMAGE: SCRIPT, "code": IMAGE, "list": [1, IMAGE]}}
            where, line = IMAGE, f"model{{IMAGE}}.py:3"
            return nnw.Finding("R" + IMAGE, "problem", where, 10, SCRIPT, "do " + IMAGE, line=line, evidence=evidence)


class Waiting(Panel):
    title = "Mine " + IMAGE

    def __init__(self):
        self.widget = ipywidgets.Label(IMAGE)

    def update(self, history, findings):
        return "Waits for " + SCRIPT


class Failing(Waiting):
    title = "Failing " + SCRIPT

    def update(self, history, findings):
        raise ValueError(IMAGE)


def make(rate, **options):
    return nnw.Session(nnw.Objective(loss, params), optax.sgd(rate), batches, name=IMAGE, **options)


first = make(0.3)
first.run(5)
session = make(
    0.1, validation=batches[:1], validation_every=10, probes=(*nnw.DEFAULT_PROBES, broken),
    rules=(*nnw.DEFAULT_RULES, Rule()), panels=(*nnw.DEFAULT_PANELS, Waiting, Failing),
)
nnw.runs()[1].tag(IMAGE)
nnw.runs()[1].annotate(SCRIPT)
session
"""
# What canvases write.
RECORD = """
window.drawn = new Set();
const write = CanvasRenderingContext2D.prototype.fillText;
CanvasRenderingContext2D.prototype.fillText = function (text, ...rest) {
  window.drawn.add(String(text));
  return write.call(this, text, ...rest);
};
"""
FOREIGN = """() => [...document.querySelectorAll('.jp-Notebook .jp-OutputArea *')].filter(each =>
    ['SCRIPT', 'IMG', 'TEXTAREA'].includes(each.tagName) && !String(each.src || '').startsWith('data:image/png') ||
    /^MJX|MathJax/.test(each.tagName + each.className) ||
    [...each.attributes].some(one => one.name.startsWith('on') || /^\\s*javascript:/.test(one.value))
).map(each => each.outerHTML.slice(0, 200))"""


def test_nothing_that_a_user_named_runs_in_the_page(chromium: Browser, lab: Lab, tmp_path: Path) -> None:
    with one_page(chromium, lab) as notebook:
        page = notebook.page
        dialogs: list[str] = []

        def heard(dialog: Dialog) -> None:
            dialogs.append(dialog.message)
            dialog.dismiss()

        page.on("dialog", heard)
        page.add_init_script(RECORD)
        page.set_viewport_size({"width": 1400, "height": 1200})
        look = "session.look('activations')\nsession.gradcheck()\nsession.checklist('first loss')\nprint(session)"
        model = MODEL.format(home=str(tmp_path / "home"), image=IMAGE, script=SCRIPT)
        notebook.open([model, "session.run(30)", look, "nnw.runs().compare(1, 2)"])
        for cell in range(4):
            notebook.run(cell)
        dashboard = page.locator(".nnw").first

        # every card is closed and opened, every detail unfolded, every figure and canvas pointed at
        page.evaluate("() => document.querySelectorAll('.nnw-title').forEach(each => each.click())")
        page.locator(".nnw-closed").first.wait_for()
        page.evaluate("() => document.querySelectorAll('.nnw-title').forEach(each => each.click())")
        page.wait_for_function("() => !document.querySelector('.nnw-closed')")
        page.evaluate("() => document.querySelectorAll('.nnw details').forEach(each => { each.open = true; })")
        network = dashboard.locator(".nnw-network canvas")
        network.scroll_into_view_if_needed()
        network.focus()
        # the slashes in these names fold them: the button leads to the layer that the finding names
        network.press("ArrowDown")
        dashboard.locator(".nnw-card button", has_text="Show <img").click()
        dashboard.locator(".nnw-network-name", has_text="<img src=x").wait_for()
        notebook.screenshot("safety-network")
        for canvas in dashboard.locator("canvas[role]").all():
            if canvas.is_visible():
                canvas.hover(position={"x": 140, "y": 20}, force=True)
        lines = dashboard.locator(".bqplot path.line")
        lines.evaluate_all(
            "all => all.forEach(each => ['mouseover', 'mouseenter', 'mousemove'].forEach("
            "name => each.dispatchEvent(new MouseEvent(name, { bubbles: true, clientX: 400, clientY: 300 }))))"
        )
        runs = dashboard.locator(".nnw-runs")
        runs.locator("tbody tr").nth(1).wait_for()
        for box in runs.locator("tbody input[type=checkbox]").all():
            box.check()
        runs.get_by_text("Compare 1 with 2").click()
        runs.locator(".nnw-difference").wait_for()
        page.wait_for_timeout(1000)
        runs.scroll_into_view_if_needed()
        notebook.screenshot("safety-runs")

        assert page.evaluate("() => window.hacked") is None
        assert dialogs == []
        assert page.evaluate(FOREIGN) == []
        # and it is there, letter by letter
        for card, words in (
            (".nnw-legend", IMAGE),
            (".nnw-finding", f"do {IMAGE}"),
            (".nnw-finding", SCRIPT),
            (".nnw-notice", IMAGE),
            (".nnw-error", f"ValueError: {IMAGE}"),
            (".nnw-waiting", f"Waits for {SCRIPT}"),
            (".nnw-title", f"Mine {IMAGE}"),
            (".nnw-table", SCRIPT),
            (".nnw-network-name", IMAGE),
            (".nnw-runs-table", IMAGE),
            (".nnw-checklist", IMAGE),
        ):
            told = dashboard.locator(card).all_text_contents()
            assert any(words in text for text in told), f"{card} does not show {words}: {told}"
        assert runs.locator(".nnw-runs-field").evaluate_all("all => all.map(each => each.value)").count(SCRIPT) == 1
        drawn = page.evaluate("() => [...window.drawn]")
        assert any("onerror=" in text for text in drawn), drawn  # cut at the front where there is no room
        assert IMAGE in notebook.text(2)
        for theme in ("dark", "light"):
            notebook.theme(theme)
            page.evaluate("() => document.querySelector('.nnw').scrollIntoView({ block: 'start' })")
            page.wait_for_timeout(700)
            notebook.screenshot(f"safety-{theme}")
        assert notebook.errors() == []
