"""What is round the steps: wishes of the user, and what the dashboard is told."""

from __future__ import annotations

from typing import Any

import optax
import pytest

import nnwidgets as nnw
from nnwidgets.records import Command, Status
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
