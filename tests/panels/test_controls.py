"""Buttons and fields queue commands; the status line says where the run stands."""

from __future__ import annotations

from dataclasses import replace

import pytest

from nnwidgets.panels._controls import Controls
from nnwidgets.panels._status_line import status_line
from nnwidgets.records import Command, Status

from ._made import running, texts


@pytest.fixture
def controls():
    sent = []
    made = Controls(sent.append)
    made.sent = sent
    return made


def test_each_button_sends_its_command(controls):
    controls.show(running(), True)
    controls._pause.click()
    controls._run.click()
    controls._stop.click()
    controls.show(Status("paused", 3, pauses=("step 9",)), True)
    controls._pause.click()
    controls._step.click()
    controls._forget.click()
    names = ["pause", "run", "stop", "resume", "step", "forget_pauses"]
    assert controls.sent == [Command(name, 100 if name == "run" else None) for name in names]


@pytest.mark.parametrize(
    ("state", "enabled"),
    [
        ("idle", set()),
        ("compiling", {"pause", "stop"}),
        ("running", {"pause", "run", "stop"}),
        ("paused", {"pause", "step", "run", "stop"}),
        ("stopped", set()),
        ("finished", set()),
    ],
)
def test_only_what_makes_sense_is_enabled(controls, state, enabled):
    controls.show(Status(state), True)
    assert {name for name in ("pause", "step", "run", "stop") if not getattr(controls, f"_{name}").disabled} == enabled


def test_a_click_is_confirmed_at_once(controls):
    controls.show(running(), True)
    controls._pause.click()
    assert "pausing after this step …" in controls._line.value
    controls.show(running(2), True)
    assert "pausing" not in controls._line.value


def test_an_answer_that_comes_at_once_is_not_covered_by_the_confirmation(controls):
    controls.show(running(), True)
    controls._send = lambda command: controls.show(Status("paused", 3), True)
    controls._pause.click()
    assert "pausing" not in controls._line.value


def test_the_learning_rate_by_slider_number_and_reset(controls):
    controls._slider.value = 10.0
    controls._factor.value = 0.25
    controls.show(running(multiplier=0.25), True)
    assert controls._slider.value == pytest.approx(0.25)
    assert not controls._reset.disabled
    controls._reset.click()
    assert controls.sent == [Command("multiplier", value) for value in (10.0, 0.25, 1.0)]


def test_what_the_loop_reports_is_shown_and_not_sent_back(controls):
    controls.show(running(multiplier=0.5), True)
    assert controls._factor.value == 0.5
    assert controls.sent == []


@pytest.mark.parametrize(
    ("chosen", "value"),
    [
        ("a step is reached", ("step", 1000)),
        ("the loss is above", ("loss above", 10.0)),
        ("a number is not finite", ("non-finite", None)),
        ("something is found", ("finding", None)),
    ],
)
def test_pause_when(controls, chosen, value):
    controls._condition.value = chosen
    controls._add.click()
    assert controls.sent == [Command("pause_when", value)]
    assert controls._value.disabled == (value[1] is None)


def test_an_exception_in_a_callback_is_shown(controls):
    controls._factor.value = -1.0
    assert "must be a number of at least 0; got -1.0" in texts(controls.widget)
    assert controls.sent == []
    controls._add.click()
    assert "must be" not in texts(controls.widget)


def test_clicks_that_cannot_arrive_are_explained_only_while_a_cell_runs(controls):
    for live, state, shown in ((None, "running", False), (False, "running", True), (False, "idle", False)):
        controls.show(Status(state), live)
        assert ("stop button" in texts(controls.widget)) is shown


def test_the_line_says_progress_speed_time_left_and_the_cost_of_watching():
    status = Status(
        "running",
        1234,
        5000,
        312.0,
        12.4,
        {"statistics": 12, "histograms": 0},
        0.013,
        4.2e-5,
        message="loss < 1 & falling",
    )
    line = status_line(status)
    for part in (
        "step <b>1,234</b> / 5,000",
        "width:24.7%",
        "312 steps/s",
        "about 10 seconds left",
        "reading every 12th step, which adds 0.042 ms (1.3 %) to a step",
        "0.3 ms where that is more",
        "histograms: off",
        "loss &lt; 1 &amp; falling",
    ):
        assert part in line


def test_the_line_does_not_say_twice_that_it_is_paused():
    line = status_line(Status("paused", 10, message="paused: loss > 3"))
    assert '<span class="nnw-message">loss &gt; 3</span>' in line
    assert "nnw-message" not in status_line(Status("paused", 10, message="paused"))
    assert "the data ended" in status_line(Status("finished", 10, message="the data ended"))


def test_a_changed_learning_rate_is_told():
    assert "learning rate \u00d7 <b>0.5</b>" in status_line(running(multiplier=0.5))
    assert "learning rate" not in status_line(running())


def test_slow_steps_are_told_in_seconds_a_step():
    assert "4 s a step" in status_line(Status("running", 1, steps_per_second=0.25))


def test_the_status_says_what_a_redraw_takes():
    known = Status("running", 7, probe_every={"statistics": 1}, redraw_seconds=0.0214)
    assert "or 0.3 ms where that is more; a redraw takes 21 ms of the run." in status_line(known)
    assert 'where that is more."' in status_line(replace(known, redraw_seconds=0.0))
