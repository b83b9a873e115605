"""The panel that runs experiments: what it offers, asks for, waits for and shows."""

from __future__ import annotations

from dataclasses import replace

import pytest

from nnwidgets.panels import Experiments
from nnwidgets.records import Command, Cost, ExperimentInfo, Exploration, History, Notice

INFOS = (
    ExperimentInfo("gradient noise", "Is the <batch> large enough?", Cost(64, 1, 2.0)),
    ExperimentInfo("clipping", "Where should the bound be?", Cost(200, 1, 4.0)),
)
FOUND = Exploration("clipping", "No step is clipped.")


@pytest.fixture
def panel() -> Experiments:
    made = Experiments()
    made.experiments = lambda: INFOS
    made.sent = []
    made.send = made.sent.append
    return made


def test_it_tells_question_and_cost(panel):
    assert panel.update(History(), ()) is None
    assert panel._chosen.options == ("gradient noise", "clipping")
    assert "Is the &lt;batch&gt; large enough?" in panel._about.value
    assert "64 steps, 1 program to compile, about 2 s" in panel._about.value


def test_run_asks_for_the_chosen_one_and_waits(panel):
    history = History()
    panel.redraw = lambda: panel.update(history, ())
    panel.update(history, ())
    panel._chosen.value = "clipping"
    panel._run.click()
    assert panel.sent == [Command("explore", "clipping")]
    assert panel._run.disabled
    assert not panel._stop.disabled
    panel._stop.click()
    assert panel.sent[-1] == Command("halt")
    history.add_exploration(FOUND)
    panel.update(history, ())
    assert not panel._run.disabled
    assert "No step is clipped." in panel._result.value


def test_what_was_refused_is_not_waited_for(panel):
    panel.update(History(), ())
    panel._run.click()
    panel.notices = [Notice("explore", "this session is running")]
    panel.update(History(), ())
    assert not panel._run.disabled


def test_what_was_tried_from_a_cell_is_shown_and_another_can_be_chosen(panel):
    history = History()
    panel.redraw = lambda: panel.update(history, ())
    panel.update(history, ())
    history.add_exploration(FOUND)
    panel.update(history, ())
    assert panel._chosen.value == "clipping"
    panel._chosen.value = "gradient noise"
    assert panel._result.value == ""
    history.add_exploration(replace(FOUND, answer="Half of the steps are."))
    panel.update(history, ())
    assert "Half of the steps are." in panel._result.value


def test_without_a_session_it_says_what_would_be_needed():
    panel = Experiments()
    panel.update(History(), ())
    assert "an nnw.Session" in panel._about.value
    history = History()
    history.add_exploration(FOUND)
    panel.update(history, ())
    assert "No step is clipped." in panel._result.value
    assert panel._run.disabled
