"""From a reading to pixels, in real JupyterLab: ``python -m tests.benchmarks.screen [--quick] [--json]``.

The MLP 17k trains with the default dashboard in sight, in a headless Chromium that shows nothing else. The kernel notes the
clock when a refresh begins, which is when the newest readings are taken from the host, and the page when it acknowledges that
frame: on the second animation frame after everything was drawn. Both read the clock of one machine. What a frame waits before,
so that there are ten a second at most, is not counted; frames a second are told beside it. For this the notebook wraps the
dashboard's `refresh` and the page its WebSocket's `send`, and every frame is acknowledged; what a run costs is measured with
one in ten, as everywhere.

The noise floor is what a frame takes that has nothing to draw: the way through the server, and two animation frames. That of
the run is one that is not watched, beside a process that keeps one core busy.
"""

from __future__ import annotations

import json
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import jax
import numpy as np
from playwright.sync_api import sync_playwright

from nnwidgets.train._governor import FLOOR_SECONDS
from tests.browser._chromium import find_chromium
from tests.browser._lab import Lab
from tests.browser._notebook import Notebook
from tests.browser.conftest import FLAGS

from ._measure import Row, interval, options, paired, progress, report

MODEL = "MLP 17k"
GOAL_MILLISECONDS = 150.0
FULL: dict[str, Any] = {"seconds": 60.0, "frames": 60, "rounds": 15}
QUICK: dict[str, Any] = {"seconds": 7.0, "frames": 30, "rounds": 7}
UNWATCHED, OPEN, BESIDE = "not watched", "dashboard open", "not watched, a core busy"

_ACKNOWLEDGED = """
window.acknowledged = {};
const send = WebSocket.prototype.send;
WebSocket.prototype.send = function (data) {
    const now = Date.now();
    const text = typeof data === "string" ? data : new TextDecoder().decode(data);
    const found = text.match(/"kind": ?"ack".*?"frame": ?([0-9]+)/);
    if (found) window.acknowledged[found[1]] ??= now;
    return send.call(this, data);
};
"""
_FIRST_PICTURE = """() => {
    window.pictured = 0;
    const look = () => {
        const line = document.querySelector(".nnw-card-0 svg path.line[d*=L]");
        if (line && line.getBoundingClientRect().width > 0) requestAnimationFrame(() => (window.pictured = Date.now()));
        else requestAnimationFrame(look);
    };
    look();
}"""
_SETUP = """
import json, subprocess, sys, time
sys.path.insert(0, {folder!r})
import optax
import nnwidgets as nnw
from tests.benchmarks._models import MODELS

reference = MODELS[{model!r}]()

def build(budget):
    return nnw.Session(reference.objective(), optax.adam(1e-3), reference.batches, budget=budget, track=False)

session = build(0.05)
session.run(200)
began = []
dashboard = session.dashboard
original = dashboard.refresh

def refresh(*arguments, force=False):
    now = time.time()
    sent = original(*arguments, force=force)
    # one that is forced does not wait until the last one was drawn
    if sent and not force and dashboard._pacing.one_in == 1:
        began.append((dashboard._pacing.frame, now, time.time()))
    return sent

dashboard.refresh = refresh
"""
_SHOW = "shown = time.time()\nsession"
_RUN = """
del began[:]
usual, dashboard._pacing.one_in = dashboard._pacing.one_in, 1
until = time.time() + {seconds}
# the budget allows few frames where a redraw is dear
while time.time() < until or (len(began) < {frames} and time.time() < until + 3 * {seconds}):
    session.run(max(200, int(session.status.steps_per_second)))
"""
_FLOOR = """
from nnwidgets.panels._standing import standing
empty = []
for number in range({count}):
    frame = dashboard._pacing.sent(time.perf_counter())
    empty.append((frame, time.time()))
    dashboard._echo.send({{"kind": "frame", "frame": frame, "step": 0, "ask": True}})
    time.sleep(0.12)
dashboard._pacing.one_in = usual
"""
_TURNS = """
bare = build(0.0)
bare.run(50)
bare.run(200)
steps = max(50, int({seconds} / {rounds} * bare.status.steps_per_second))
found = {{{unwatched!r}: [], {open!r}: [], {beside!r}: []}}
for number in range({rounds}):
    for name in list(found)[:: 1 if number % 2 else -1]:
        other = name == {beside!r} and subprocess.Popen([sys.executable, "-c", "while True: pass"])
        time.sleep(0.2)
        started = time.perf_counter()
        (session if name == {open!r} else bare).run(steps)
        found[name].append((time.perf_counter() - started) / steps)
        if other:
            other.kill()
            other.wait()
"""
_TELL = """
governor = session._desk.governor
print(json.dumps({"began": began, "empty": empty, "shown": shown, "found": found, "share": governor.watching_share,
    "drawing": session._desk.drawing.seconds, "kept": governor.kept, "budget": governor.budget,
    "allowed": governor.allowed_seconds / governor.run_seconds,
    "live": dashboard.live, "every": session.status.probe_every, "notices": [each.message for each in session.notices]}))
"""


@contextmanager
def lab_page(folder: Path) -> Iterator[Notebook]:
    """An empty page of a JupyterLab and a Chromium that are started for this alone."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=find_chromium(playwright), args=FLAGS)
        lab = Lab(folder)
        try:
            page = browser.new_context(viewport={"width": 1500, "height": 1100}).new_page()
            page.add_init_script(_ACKNOWLEDGED)
            yield Notebook(page, lab, folder)
        finally:
            lab.stop()
            browser.close()


def watch(notebook: Notebook, *, seconds: float, frames: int, rounds: int) -> dict[str, Any]:
    """What the kernel told and the page saw.

    Args:
        notebook: an empty page.
        seconds: that the run is watched, and again of each variant's turns.
        frames: that are waited for, up to four times as long; and as many with nothing to draw.
        rounds: of turns.
    """
    cells = [
        _SETUP.format(folder=str(Path(__file__).resolve().parents[2]), model=MODEL),
        _SHOW,
        _RUN.format(seconds=seconds, frames=frames),
        _FLOOR.format(count=frames),
        _TURNS.format(unwatched=UNWATCHED, open=OPEN, beside=BESIDE, seconds=seconds, rounds=rounds),
        _TELL,
    ]
    notebook.open(cells, name="screen.ipynb")
    page = notebook.page
    told = ""
    for place, words in enumerate(("compiling", "displaying", "watching", "the noise floor", "taking turns", "")):
        progress(f"  {words:<40}", end="\r")
        if cells[place] is _SHOW:
            page.evaluate(_FIRST_PICTURE)
        told = notebook.run(place, timeout=300.0 + 4 * seconds)
        if cells[place] is _SHOW:
            page.wait_for_function("() => window.pictured", timeout=120_000)
            page.evaluate("() => document.querySelector('.nnw').scrollIntoView({ block: 'start' })")
            page.wait_for_timeout(2000)
    seen = page.evaluate("() => ({ acknowledged: window.acknowledged, pictured: window.pictured })")
    return {**json.loads(told.splitlines()[-1]), **seen, "errors": notebook.errors()}


def rows(told: dict[str, Any]) -> list[Row]:
    """The lines of the table."""
    drawn = {int(frame): stamp / 1000 for frame, stamp in told["acknowledged"].items()}
    frames = [(drawn[frame] - began, sent - began, began) for frame, began, sent in told["began"] if frame in drawn]
    floor = [1000 * (drawn[frame] - began) for frame, began in told["empty"] if frame in drawn]
    late, python = [1000 * each[0] for each in frames], [1000 * each[1] for each in frames]
    median, length = statistics.median(late), frames[-1][2] - frames[0][2]
    halves = [statistics.median(late[start::2]) for start in (0, 1)]
    lost = len(told["began"]) - len(frames)
    noise = f"its middle half {np.quantile(floor, 0.25):.0f} to {np.quantile(floor, 0.75):.0f}; {len(floor)} frames"
    ratio, low, high = paired(told["found"], OPEN, UNWATCHED)
    step = statistics.median(told["found"][UNWATCHED])
    allowed = 1 + max(told["budget"], FLOOR_SECONDS / step)
    booked = f"booked {1 + told['share']:.3f} of {1 + told['allowed']:.3f}"
    booked += f", with {1000 * told['drawing']:.0f} ms a frame for what is drawn beside it"
    crowded, crowded_low, crowded_high = paired(told["found"], BESIDE, UNWATCHED)
    noise_low, noise_high = interval(floor)
    low_median, high_median = interval(late)
    return [
        Row(
            "noise floor: a frame with nothing to draw", statistics.median(floor), None, None, noise_low, noise_high,
            "ms", noise,
        ),
        Row(
            "a reading to pixels, median", median, GOAL_MILLISECONDS, median <= GOAL_MILLISECONDS, low_median, high_median,
            "ms", f"{len(frames)} frames, {lost} not acknowledged; even and odd frames {halves[0]:.0f} and {halves[1]:.0f}",
        ),
        Row("a reading to pixels, 95 of 100 frames", float(np.quantile(late, 0.95)), unit="ms"),
        Row("of it in Python, median", statistics.median(python), unit="ms"),
        Row("frames a second", (len(frames) - 1) / length, unit="/s", note="10 at most; the budget may allow fewer"),
        Row("from the cell that displays it to its first picture", told["pictured"] / 1000 - told["shown"], unit="s"),
        Row("a step that is not watched", 1000 * step, unit="ms"),
        Row(
            "noise floor: a run that is not watched, beside a busy core", crowded, None, None, crowded_low, crowded_high, "x",
        ),
        Row("a run with the dashboard open", ratio, allowed, told["kept"] and low <= allowed, low, high, "x", booked),
    ]  # fmt: skip


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, print and give the exit code: 1 if a goal was missed."""
    given = options("screen", "From a reading to pixels.", "an eighth of the time, half of the turns", arguments)
    started = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder, lab_page(Path(folder)) as notebook:
        told = watch(notebook, **(QUICK if given.quick else FULL))
    about = {
        "model": MODEL,
        "jax": f"{jax.__version__} on {jax.default_backend()}",
        "machine": f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}",
        "clicks arrive while the cell runs": told["live"],
        "errors": "; ".join([*told["errors"], *told["notices"]]) or "none",
        "seconds": round(time.perf_counter() - started),
    }
    return report(rows(told), as_json=given.json, **about)


if __name__ == "__main__":
    sys.exit(main())
