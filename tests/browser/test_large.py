"""Long and large in real JupyterLab: cells that are run again, a tab that is hidden, several dashboards in one notebook.

``NNWIDGETS_RERUNS=50`` runs the cell fifty times instead of six, and ``NNWIDGETS_HIDDEN_SECONDS`` says how long the tab is
watched in each state (10 otherwise).
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ._notebook import Notebook

RERUNS = int(os.environ.get("NNWIDGETS_RERUNS", "6"))
SECONDS = float(os.environ.get("NNWIDGETS_HIDDEN_SECONDS", "10"))
# What echo.js waits before it takes a dashboard for deserted, and some.
GRACE_SECONDS = 30.0

SETUP = """
import gc, json, time
from pathlib import Path
import anywidget, jax.numpy as jnp, numpy as np, optax, psutil
import nnwidgets as nnw

inputs = np.random.default_rng(0).normal(size=(32, 8)).astype(np.float32)
batch = (inputs, inputs[:, :2])
params = {"in": {"kernel": np.full((8, 16), 0.1, np.float32)}, "out": {"kernel": np.full((16, 2), 0.1, np.float32)}}

def loss(params, batch):
    inputs, targets = batch
    return ((jnp.tanh(inputs @ params["in"]["kernel"]) @ params["out"]["kernel"] - targets) ** 2).mean()

def build(batches=(batch,)):
    return nnw.Session(nnw.Objective(loss, params), optax.adam(1e-3), list(batches), track=False)

class Manager(anywidget.AnyWidget):
    _esm = "export default {render({model}) {window.manager = model.widget_manager}}"

Manager()
"""
COUNT = """
gc.collect()
from ipywidgets.widgets.widget import _instances
comms = len(get_ipython().kernel.comm_manager.comms)
print(json.dumps({"comms": comms, "widgets": len(_instances), "rss": psutil.Process().memory_info().rss}))
"""
HIDE = """hidden => {
    Object.defineProperty(document, "hidden", { configurable: true, get: () => hidden });
    Object.defineProperty(document, "visibilityState", { configurable: true, get: () => (hidden ? "hidden" : "visible") });
    document.dispatchEvent(new Event("visibilitychange"));
}"""
STEP = "() => Number(document.querySelector('.nnw-status b').textContent.replaceAll(',', ''))"


class Meter:
    """What the browser counts of its page, after a garbage collection."""

    def __init__(self, notebook: Notebook) -> None:
        self._page = notebook.page
        self._devtools = self._page.context.new_cdp_session(self._page)
        self._devtools.send("Performance.enable")

    def read(self) -> dict[str, float]:
        self._devtools.send("HeapProfiler.collectGarbage")
        found = {each["name"]: each["value"] for each in self._devtools.send("Performance.getMetrics")["metrics"]}
        names = {"heap": "JSHeapUsedSize", "nodes": "Nodes", "listeners": "JSEventListeners"}
        return {ours: found[theirs] for ours, theirs in names.items()}


def settled(notebook: Notebook, read: Callable[[], float], most: float) -> float:
    """What is read, once it is no more than so much, or after the grace."""
    for _ in range(int(GRACE_SECONDS)):
        if read() <= most:
            break
        notebook.page.wait_for_timeout(1000)
    return read()


def test_a_cell_that_is_run_again_leaves_no_comms(notebook: Notebook, capsys: pytest.CaptureFixture[str]) -> None:
    notebook.open([SETUP, "session = build()\nsession", COUNT, "session.run(20)", "session"])
    notebook.run(0)
    meter = Meter(notebook)

    def counts() -> dict[str, Any]:
        return json.loads(notebook.run(2)) | meter.read()

    def models() -> int:
        return notebook.page.evaluate("() => Object.keys(window.manager._models).length")

    bare, seen = counts(), []
    for number in range(RERUNS):
        notebook.run(1)
        if number % 2:
            # the others are run again before the browser has come to show them
            notebook.page.locator(".nnw-card").first.wait_for(timeout=60_000)
        if number in (0, RERUNS - 1):
            notebook.page.locator(".nnw-card").first.wait_for(timeout=60_000)
            left = settled(notebook, models, seen[0]["models"]) if seen else models()
            seen.append(counts() | {"models": left})
    with capsys.disabled():
        print("\n", bare, *seen, sep="\n")
    assert (seen[-1]["comms"], seen[-1]["widgets"], seen[-1]["models"]) == (
        seen[0]["comms"], seen[0]["widgets"], seen[0]["models"],
    )  # fmt: skip
    # one may go unnoticed by the garbage collector, not one for each time; some are held for seconds
    one = seen[0]["nodes"] - bare["nodes"]
    most = seen[0]["nodes"] + 1.2 * one + 10 * RERUNS
    nodes = settled(notebook, lambda: meter.read()["nodes"], most)
    assert nodes <= most, "views of dashboards that are gone are kept"
    # the dashboard that is left works, and so does a second output of it
    notebook.run(3)
    notebook.run(4)
    notebook.page.locator(".nnw").nth(1).wait_for()
    notebook.page.evaluate("() => window.jupyterapp.commands.execute('notebook:clear-all-cell-outputs')")
    settled(notebook, models, 2)
    cleared = counts()
    assert (cleared["comms"], cleared["widgets"]) == (bare["comms"], bare["widgets"])
    notebook.run(4)
    notebook.page.locator(".nnw-state").first.wait_for()
    assert notebook.page.evaluate(STEP) == 20
    assert notebook.errors() == []


def test_a_long_run_does_not_grow_whether_its_tab_is_hidden_or_seen(
    notebook: Notebook, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    done = tmp_path / "done"
    run = f"""process, rss, done = psutil.Process(), [], Path({str(done)!r})
kinds, pacing, first = [], session.dashboard._pacing, session.dashboard._pacing.frame
# also where this machine is slow
hear, pacing.prompt = pacing.heard, 1.0
pacing.heard = lambda message, **more: (kinds.append(message["kind"]), hear(message, **more))
while not done.exists():
    rss.append(process.memory_info().rss)
    session.run(400)"""
    notebook.open([SETUP, "session = build()\nsession.run(3000)\nsession", run, "print(rss)",
        "print(json.dumps([pacing.frame - first, kinds.count('ack')]))"])  # fmt: skip
    for cell in (0, 1):
        notebook.run(cell)
    page, meter = notebook.page, Meter(notebook)
    page.locator(".nnw-state").first.wait_for()
    page.evaluate("() => document.querySelector('.nnw').scrollIntoView({ block: 'start' })")
    notebook.start(2)
    first = page.evaluate(STEP)
    page.wait_for_function(f"() => ({STEP})() > {first}", timeout=60_000)
    read: dict[str, list[dict[str, float]]] = {"seen": [], "hidden": []}
    for state in read:
        page.evaluate(HIDE, state == "hidden")
        page.wait_for_timeout(1500)
        for _ in range(3):
            read[state].append(meter.read() | {"step": page.evaluate(STEP)})
            page.wait_for_timeout(500 * SECONDS)
    page.evaluate(HIDE, False)
    page.wait_for_function(f"() => ({STEP})() > {read['hidden'][-1]['step']}", timeout=60_000)
    done.touch()
    notebook.wait_for(2, timeout=120 + 2 * SECONDS)
    rss = json.loads(notebook.run(3))
    frames, answers = json.loads(notebook.run(4))
    with capsys.disabled():
        print("\n", read, rss[:: max(1, len(rss) // 6)], (frames, answers), sep="\n")
    # each answer has JupyterLab draw the kernel's state anew, twice; two views answer, the status bar's and the dashboard's
    assert 0 < answers < 0.5 * frames
    assert read["seen"][0]["step"] < read["seen"][-1]["step"]
    for state, readings in read.items():
        begin, end = readings[0], readings[-1]
        assert end["nodes"] <= 1.05 * begin["nodes"] + 300, state
        assert end["listeners"] <= 1.05 * begin["listeners"] + 100, state
        assert end["heap"] <= 1.1 * begin["heap"] + 4e6, state
    assert rss[-1] - rss[len(rss) // 2] < 60e6
    assert notebook.errors() == []


def test_five_dashboards_in_one_notebook(notebook: Notebook) -> None:
    show = "sessions = [build() for _ in range(5)]\nfor each in sessions:\n    each.run(10)\n    display(each)"
    notebook.open([SETUP, show, "for each in sessions:\n    each.run(30)\nprint([each.step for each in sessions])"])
    notebook.run(0)
    notebook.run(1)
    notebook.page.locator(".nnw").nth(4).wait_for(timeout=120_000)
    assert notebook.run(2).strip() == "[40, 40, 40, 40, 40]"
    for number in range(5):
        dashboard = notebook.page.locator(".nnw").nth(number)
        dashboard.evaluate("each => each.scrollIntoView({ block: 'start' })")
        dashboard.locator(".nnw-status b").filter(has_text="40").first.wait_for(timeout=20_000)
        dashboard.locator(".nnw-card-0 svg path.line[d*=L]").first.wait_for(state="attached", timeout=20_000)
    assert notebook.errors() == []
