"""The tour in real JupyterLab: panels that move and buttons that work while a cell runs.

It leaves in ``.artifacts``: ``live.json``, the seconds from each click to what can be seen of it; ``live-light.png`` and
``live-dark.png``, the page during a run; ``tour-dark.png``, the faulty run; and ``dashboard.png``, the dashboard near the
end of the tour's healthy run, which is the README's picture once it is copied to ``notebooks/dashboard.png``.
"""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser

from ._lab import Lab
from ._tour import LIMIT_SECONDS, Tour
from .conftest import one_page

MORE = [
    "session.pause_when(280)",
    "session.run(1_000_000)",
    "session.run()  # after Stop",
    "session.run()  # after the interrupt",
    'print(session.history["run/multiplier"].values[:, 0].tolist())',
    "print(session.step, 1 / session.status.steps_per_second)",
]
GOAL_SECONDS = 0.5


@pytest.fixture(scope="module")
def tour(chromium: Browser, lab: Lab) -> Iterator[Tour]:
    with one_page(chromium, lab) as notebook:
        notebook.page.set_viewport_size({"width": 1280, "height": 900})
        yield Tour(notebook, MORE)


def test_the_tour_moves_while_its_cells_run(tour: Tour) -> None:
    notebook = tour.notebook
    healthy = tour.place("session.run(300)")
    tour.record(healthy)
    notebook.run(tour.place("session.pause_when(280)"))
    tour.start(healthy)
    tour.wait("state() === 'paused'")
    assert (tour.ask("step()"), notebook.busy(healthy)) == (280, True)
    tour.picture()
    tour.look()
    tour.button("Resume").click()
    notebook.wait_for(healthy)
    text = notebook.text(healthy)
    assert "finished, step 300" in text
    # its dashboard is up there already: the cell that ends with run() shows the text
    assert tour.page.locator(".nnw").count() == 1
    points = [points for step, points in tour.recorded() if 0 < step < 280]
    assert points, "no step was seen while the cell was busy"
    assert max(points) > min(points) + 10, f"the loss line did not grow while the cell was busy: {sorted(set(points))}"
    for place in tour.code[tour.code.index(healthy) + 1 :]:
        text = notebook.run(place)
    assert text.rstrip().endswith("strokes/kernel 0"), "the planted fault leaves the first layer without a gradient"
    notebook.theme("dark")
    tour.page.evaluate("() => document.querySelectorAll('.nnw-card-2')[1].scrollIntoView({ block: 'start' })")
    tour.page.wait_for_timeout(1000)
    notebook.screenshot("tour-dark")
    notebook.theme("light")
    assert notebook.errors() == []


def test_a_busy_cell_is_steered(tour: Tour, capsys: pytest.CaptureFixture[str]) -> None:
    notebook, page = tour.notebook, tour.page
    long, again, last, multipliers, step_and_seconds = map(tour.place, MORE[1:])
    seconds: dict[str, float] = {}

    tour.start(long)
    tour.wait("state() === 'running' && step() > 0")
    first, line = tour.ask("step()"), tour.ask("line()")
    tour.wait(f"step() > {first + 20} && line() !== {json.dumps(line)}")
    assert notebook.busy(long)
    for theme in ("dark", "light"):
        notebook.theme(theme)
        tour.look()
        page.wait_for_timeout(500)
        notebook.screenshot(f"live-{theme}")

    seconds["Pause"] = tour.seconds(tour.button("Pause").click, "state() === 'paused'")
    step = tour.ask("step()")
    page.wait_for_timeout(1000)
    assert (tour.ask("step()"), tour.ask("state()"), notebook.busy(long)) == (step, "paused", True)

    seconds["Step"] = tour.seconds(tour.button("Step").click, f"step() === {step + 1}")
    page.wait_for_timeout(500)
    assert (tour.ask("step()"), tour.ask("state()"), notebook.busy(long)) == (step + 1, "paused", True)

    tour.dashboard.locator("input[type=number]").first.fill("7")
    seconds["Run 7 steps"] = tour.seconds(tour.button("Run").click, f"step() > {step + 1}")
    tour.wait("state() === 'paused'")
    page.wait_for_timeout(500)
    assert (tour.ask("step()"), notebook.busy(long)) == (step + 8, True)

    seconds["Resume"] = tour.seconds(tour.button("Resume").click, f"state() === 'running' && step() > {step + 8}")

    def multiply() -> None:
        field = tour.dashboard.locator("input[type=number]").nth(1)
        field.fill("0.5")
        field.press("Enter")

    # what the loop says, after the step that it was applied at; not the answer of the field itself
    seconds["learning rate"] = tour.seconds(multiply, "numbers().includes('0.5')", event="change")
    assert notebook.busy(long)
    seconds["Stop"] = tour.seconds(tour.button("Stop").click, f"ended({long}) && state() === 'stopped'")
    notebook.wait_for(long)
    assert "0.5" in notebook.run(multipliers)
    stopped = tour.ask("step()")

    tour.start(again)
    tour.wait(f"state() === 'running' && step() > {stopped}")
    interrupt = page.locator("[data-command='notebook:interrupt-kernel']").first
    seconds["interrupt"] = tour.seconds(interrupt.click, f"ended({again}) && state() === 'stopped'")
    notebook.wait_for(again)
    interrupted = tour.ask("step()")
    assert interrupted > stopped
    assert int(notebook.run(step_and_seconds).split()[0]) == interrupted

    tour.start(last)
    tour.wait(f"state() === 'running' && step() > {interrupted}")
    tour.button("Stop").click()
    notebook.wait_for(last)

    goal = GOAL_SECONDS + float(notebook.run(step_and_seconds).split()[1])
    rows = [
        {"name": f"click to effect: {name}", "seconds": round(value, 3), "goal": round(goal, 3), "met": value <= goal}
        for name, value in seconds.items()
    ]
    (notebook.artifacts / "live.json").write_text(json.dumps(rows, indent=1), encoding="utf-8")
    with capsys.disabled():
        print()
        for row in rows:
            print(
                f"{row['name']:32} {row['seconds']:6.3f} s  goal {row['goal']:.3f} s  {'met' if row['met'] else 'MISSED'}"
            )
    assert max(seconds.values()) < LIMIT_SECONDS
    assert notebook.errors() == []
