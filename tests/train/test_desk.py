"""What is round the steps: wishes of the user, and what the dashboard is told."""

from __future__ import annotations

import math
from types import SimpleNamespace
from typing import Any

import numpy as np
import optax
import pytest

import nnwidgets as nnw
from nnwidgets.panels import Dashboard
from nnwidgets.records import Command, Status
from nnwidgets.train import _desk, _governor
from nnwidgets.train._desk import Desk


def loop(desk: Desk, steps: int, wishes: dict[int, Command]) -> int:
    """A run in small; `wishes`: what the user asks for before each step. Returns the step at which it ended."""
    desk.begin(steps, "")
    step = 0
    while True:
        if step in wishes:
            desk.receive(wishes.pop(step))
        if desk.may_go_on(step, lambda: None) is not None or step >= (desk.status.target or 0):
            break
        step += 1
        desk.end_step(step, 0.0)
    desk.end("finished", "")
    return step


@pytest.fixture
def desk() -> Desk:
    return Desk(0.0, (), (), ())


def test_run_n_steps_pauses_after_them_and_not_before_the_end_of_the_run(desk: Desk) -> None:
    # without a front end nobody could press Resume: a pause ends the loop
    assert loop(desk, 20, {4: Command("run", 3)}) == 7
    assert desk.status.target == 20
    assert desk.controls.conditions == []


def test_run_n_steps_reaches_beyond_the_end_of_the_run(desk: Desk) -> None:
    assert loop(desk, 6, {4: Command("run", 5)}) == 9


def test_a_wish_is_answered_at_once(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[tuple[int, bool]] = []

    def refresh(status: Status, *others: Any, force: bool) -> bool:
        told.append((status.step, force))
        return True

    monkeypatch.setattr(desk.dashboard, "refresh", refresh)
    loop(desk, 9, {4: Command("multiplier", 0.5)})
    assert told == [(0, True), (5, True), (9, True)]
    assert desk.status.multiplier == 0.5


def test_the_end_tells_a_step_that_was_cut_off(desk: Desk) -> None:
    loop(desk, 3, {})
    desk.end("stopped", "interrupted", 4)
    assert desk.status.step == 4


def test_a_rule_that_waits_for_its_readings_is_not_said_to_have_looked() -> None:
    session = nnw.Session(
        nnw.Objective(lambda params, batch: (params["w"] ** 2).sum(), {"w": 1.0}), optax.sgd(0.1), [1.0]
    )
    text = repr(session.run(2))
    assert "the one rule that looks, NonFinite, checks only that" in text
    session.gradcheck()
    assert "2 rules looked: NonFinite, WrongGradient" in repr(session)


@pytest.mark.parametrize(("condition", "judges"), [(("step", 30), False), ("finding", True)])
def test_only_a_condition_on_findings_pays_for_judging_the_history(condition: Any, judges: bool) -> None:
    judged: list[int] = []

    class Counting:
        def check(self, history: Any) -> None:
            judged.append(len(history.names()))

    desk = Desk(0.05, (), (Counting(),), ())
    desk.receive(Command("pause_when", condition))
    desk.begin(20, "")
    for step in range(20):
        desk.history.add_scalar("train/loss", step, 1.0)
        desk.end_step(step, 0.0)
    assert (len(judged) >= 20) is judges
    assert judges or len(judged) <= 2


class Beside:
    """A run of steps of 10 ms, each 5 ms longer in the tenth of a second after a frame, with a clock turned by hand."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, budget: float) -> None:
        self.now, self.frames, self.viewed = 100.0, [-1e9], True
        clock = SimpleNamespace(perf_counter=lambda: self.now, sleep=lambda _: None)
        for module in (_desk, _governor):
            monkeypatch.setattr(module, "time", clock)
        for name, value in (("viewed", lambda _: self.viewed), ("answer_seconds", lambda _: 0.04)):
            monkeypatch.setattr(Dashboard, name, property(value))
        self.desk = Desk(budget, (), (), ())
        monkeypatch.setattr(self.desk.dashboard, "due", lambda now: now - self.frames[-1] >= 0.1)
        monkeypatch.setattr(self.desk.dashboard, "refresh", self.refresh)

    def refresh(self, *_: Any, force: bool) -> bool:
        self.now += 0.001
        self.frames.append(self.now)
        return True

    def go(self, steps: int, first: int = 0) -> None:
        if not first:
            self.desk.begin(steps, "")
        for step in range(first, first + steps):
            assert self.desk.may_go_on(step, lambda: None) is None
            began = self.now
            self.now += 0.015 if began - self.frames[-1] < 0.1 else 0.01
            self.desk.end_step(step + 1, began)


def test_what_drawing_takes_from_the_steps_beside_it_is_measured_and_booked(monkeypatch: pytest.MonkeyPatch) -> None:
    run = Beside(monkeypatch, budget=1.0)
    run.go(4000)
    drawn, governor = run.desk.drawing.seconds, run.desk.governor
    # seven steps of 15 ms begin in the tenth of a second after it
    assert drawn == pytest.approx(0.035, rel=0.1)
    assert run.desk.stated().redraw_seconds == pytest.approx(0.001 + drawn, rel=0.05)
    assert governor.run_seconds == pytest.approx(0.01 * 4000, rel=0.05)
    assert governor.spent_seconds == pytest.approx(len(run.frames) * (0.001 + drawn), rel=0.1)
    gaps = np.diff(run.frames[1:])
    # ten a second, but for those that are held back
    assert np.median(gaps) < 0.13 and 4 <= (gaps > 0.25).sum() <= 20
    # at a twentieth of that budget they are fewer
    slow = Beside(monkeypatch, budget=0.05)
    slow.go(4000)
    assert len(slow.frames) < 0.3 * len(run.frames) and slow.desk.governor.kept
    assert slow.desk.drawing.seconds == pytest.approx(0.035, rel=0.1)


def test_without_a_limit_no_frame_waits_to_be_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    run = Beside(monkeypatch, budget=math.inf)
    run.go(1000)
    assert np.diff(run.frames[2:]).max() < 0.13


def test_while_nobody_looks_nothing_is_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    run = Beside(monkeypatch, budget=1.0)
    run.go(30)
    frames, run.viewed = len(run.frames), False
    run.go(1000, first=30)
    assert len(run.frames) == frames and run.desk.drawing._alone == run.desk.drawing._beside == [0.0, 0.0]
    # nor while the run stands still
    run.viewed, run.desk.controls.paused, run.desk.controls.single = True, True, 50
    run.go(50, first=1030)
    for _ in range(50):
        run.desk.show("paused")
    assert len(run.frames) >= frames + 50 and run.desk.drawing._frames <= 1
