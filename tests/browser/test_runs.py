"""The runs on record in real JupyterLab: sorted, filtered, compared; and a run that trains in another process, followed.

It leaves ``runs-light.png``, ``runs-dark.png``, ``runs-dashboard.png``, ``runs-many.png``, ``follow-light.png``,
``follow-dark.png`` and ``follow-killed.png`` in ``.artifacts``.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from playwright.sync_api import Browser, Dialog, Locator, expect

from ._lab import Lab
from .conftest import one_page

NAME = "<img src=x onerror=alert(1)>"
MODEL = """
import os, time
os.environ["NNWIDGETS_HOME"] = {home!r}
os.environ.pop("NNWIDGETS_TRACK", None)
import jax
import jax.numpy as jnp
import numpy as np
import optax
import nnwidgets as nnw

random = np.random.default_rng(0)
weights = random.normal(size=(6, 2)).astype("float32")
inputs = random.normal(size=(8, 32, 6)).astype("float32")
batches = [(each, each @ weights) for each in inputs]


def loss_fn(params, batch):
    hidden = jax.nn.relu(batch[0] @ params["hidden"]["w"])
    return jnp.mean((hidden @ params["out"]["w"] - batch[1]) ** 2)


def make(name, rate, data=batches):
    start = np.random.default_rng(1)
    params = {{
        "hidden": {{"w": start.normal(size=(6, 16)).astype("float32") / 3}},
        "out": {{"w": start.normal(size=(16, 2)).astype("float32") / 4}},
    }}
    objective = nnw.Objective(loss_fn, params)
    return nnw.Session(objective, optax.sgd(rate), data, validation=batches[:2], validation_every=20, name=name)
"""
TWO = f"""
make("slow", 0.003).run(60)
session = make({NAME!r}, 0.1).run(40)
nnw.runs()
"""
MANY = """
columns = "name, created, ended, heartbeat, state, step, seconds, host, pid, process_started"
with nnw.runs().store.connect() as store:
    store.execute("BEGIN IMMEDIATE")
    for number in range(510):
        copied = f"'copy {number}', {columns}".replace("step,", f"{number},")
        store.execute(f"INSERT INTO runs (uid, {columns}) SELECT {copied} FROM runs WHERE id = 1")
    store.execute("COMMIT")
nnw.runs()
"""
ELSEWHERE = """
make("elsewhere", 0.01, lambda step: time.sleep(0.02) or batches[step % 8]).run(100_000)
"""


def numbers(table: Locator) -> list[str]:
    """The runs' numbers, from the top."""
    return table.locator("tbody tr td:nth-child(2)").all_inner_texts()


def test_runs_are_sorted_filtered_tagged_and_compared(chromium: Browser, lab: Lab, tmp_path: Path) -> None:
    with one_page(chromium, lab) as notebook:
        page = notebook.page
        page.set_viewport_size({"width": 1400, "height": 900})
        alarms: list[str] = []

        def alarm(dialog: Dialog) -> None:
            alarms.append(dialog.message)
            dialog.dismiss()

        page.on("dialog", alarm)
        model = MODEL.format(home=str(tmp_path / "home"))
        notebook.open(
            [
                model,
                TWO,
                "runs = nnw.runs()\nprint(runs[1].tags, runs[1].note)\nruns",
                "session",
                "session.run(10)",
                MANY,
            ]
        )
        notebook.run(0)
        assert NAME in notebook.run(1)
        table = page.locator(".nnw-runs").first
        table.locator("tbody tr").first.wait_for()
        assert numbers(table) == ["2", "1"]
        # a name is text
        assert NAME in table.inner_text()
        assert table.locator("img").count() == 0

        head = table.locator("th button")
        head.filter(has_text="train loss").click()
        assert numbers(table) == ["2", "1"], "the smallest loss first"
        head.filter(has_text="train loss").press("Enter")
        assert numbers(table) == ["1", "2"]
        assert table.locator("th[aria-sort=descending]").inner_text().startswith("train loss")
        table.locator("input[type=search]").fill("finished sl")
        assert numbers(table) == ["1"]
        assert "1 of 2 runs" in table.inner_text()
        table.locator("input[type=search]").fill("nothing")
        assert "none of 2 runs has these words" in table.inner_text()
        table.locator("input[type=search]").fill("")

        for row in table.locator("tbody input[type=checkbox]").all():
            row.check()
        table.get_by_role("button", name="Compare 1 with 2").click()
        difference = table.locator(".nnw-difference")
        difference.get_by_text("learning rate").first.wait_for(timeout=30_000)
        assert "0.003" in difference.inner_text()
        assert table.locator("img").count() == 0
        for field, text in (("tags of run 1", "baseline, keep"), ("note of run 1", NAME)):
            table.get_by_label(field).fill(text)
            table.get_by_label(field).press("Enter")
        page.wait_for_function("() => document.querySelector('[aria-label=\"note of run 1\"]').title !== ''")
        for theme in ("dark", "light"):
            notebook.theme(theme)
            table.scroll_into_view_if_needed()
            page.wait_for_timeout(500)
            notebook.screenshot(f"runs-{theme}")
        assert f"('baseline', 'keep') {NAME}" in notebook.run(2)

        # in the dashboard of a session, its own run marked, and a new row when a run ends
        notebook.run(3)
        card = page.locator(".nnw-card").filter(has=page.locator(".nnw-runs"))
        card.locator("tbody tr").first.wait_for()
        assert card.locator("tr.nnw-runs-here").inner_text().split()[0] == "2"
        notebook.run(4)
        expect(card.locator("tr.nnw-runs-here td.nnw-runs-step")).to_have_text("50", timeout=30_000)
        card.scroll_into_view_if_needed()
        page.wait_for_timeout(500)
        notebook.screenshot("runs-dashboard")
        # hundreds stay quick
        notebook.run(5)
        table = page.locator(".nnw-runs").last
        table.get_by_text("showing 100 of 512: filter to see others").wait_for()
        assert table.locator("tbody tr").count() == 100
        step = table.locator("th.nnw-runs-step button")
        seconds = step.evaluate(
            "button => { const start = performance.now(); button.click(); document.body.offsetHeight;"
            " return (performance.now() - start) / 1000; }"
        )
        assert table.locator("tbody td.nnw-runs-step").first.inner_text() == "509"
        assert seconds < 0.5
        table.locator("input[type=search]").fill("slow")
        table.get_by_text("showing 100 of 511").wait_for()
        table.scroll_into_view_if_needed()
        notebook.screenshot("runs-many")
        assert not alarms
        assert notebook.errors() == []


def test_a_run_that_trains_in_another_process_is_followed(chromium: Browser, lab: Lab, tmp_path: Path) -> None:
    home, script = tmp_path / "home", tmp_path / "elsewhere.py"
    script.write_text(MODEL.format(home=str(home)) + ELSEWHERE, encoding="utf-8")
    process = subprocess.Popen([sys.executable, str(script)], stdin=subprocess.DEVNULL, env=dict(os.environ))
    try:
        with one_page(chromium, lab) as notebook:
            page = notebook.page
            page.set_viewport_size({"width": 1400, "height": 1000})
            wait = "import time\nwhile not nnw.runs(HOME): time.sleep(0.2)\n"
            notebook.open([f"import nnwidgets as nnw\nHOME = {str(home)!r}\n{wait}nnw.follow(folder=HOME)"])
            notebook.run(0)
            said = page.locator(".nnw-hint").first
            said.wait_for()
            assert f"run 1 (elsewhere) in process {process.pid}" in said.inner_text()
            page.wait_for_function(
                "() => document.querySelector('.nnw-state')?.textContent === 'running'", timeout=60_000
            )
            line = "Array.from(document.querySelectorAll('.nnw-card-0 svg path.line'), each => each.getAttribute('d')).join()"
            # the curve grows, while no cell runs here
            for _ in range(3):
                page.wait_for_function(f"() => {line}.length > 200", timeout=60_000)
                before = page.evaluate(line)
                page.wait_for_function(f"before => {line} !== before", arg=before, timeout=20_000)
            assert not page.locator(".nnw-controls button").filter(has_text="Pause").is_visible()
            page.wait_for_timeout(4000)
            for theme in ("dark", "light"):
                notebook.theme(theme)
                page.evaluate("() => document.querySelector('.nnw').scrollIntoView({ block: 'start' })")
                page.wait_for_timeout(1000)
                notebook.screenshot(f"follow-{theme}")
            process.kill()
            process.wait()
            page.get_by_text("was killed; it trained in process").wait_for(timeout=20_000)
            page.wait_for_timeout(700)
            notebook.screenshot("follow-killed")
            assert notebook.errors() == []
    finally:
        process.kill()
        process.wait()
