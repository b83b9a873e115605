"""The column of lights: grey, green, amber, red, and what a click asks for."""

from __future__ import annotations

from dataclasses import replace

import pytest

from nnwidgets.panels import Checklist
from nnwidgets.records import Check, CheckInfo, Command, Finding, History, Notice

INFOS = (
    CheckInfo("few points", 1, "Learns a few.", 20.0),
    CheckInfo("first loss", 2, "Against chance.", 2.0),
    CheckInfo("zeroed input", 2, "With zeros.", 1.0),
)
FIRST = Check("first loss", "2.303", "2.31", "ok", 2, "as chance has it.", {}, 40, 1.5, 1e9)
FINDING = Finding("SoftmaxTwice", "problem", "", 0, "twice", "once", line="model.py:3")


@pytest.fixture
def panel():
    made = Checklist()
    made.infos = INFOS
    return made


def lights(panel):
    return [heading["light"] for heading in panel.widget.data["headings"]]


def test_grey_until_checked(panel):
    panel.update(History(), ())
    assert lights(panel) == ["", "", "", "", ""]
    assert panel.widget.data["about"] == "23 s"
    assert [row["name"] for row in panel.widget.data["headings"][1]["rows"]] == ["first loss", "zeroed input"]


def test_a_heading_is_green_when_all_of_it_was_checked(panel):
    history = History()
    history.add_check(FIRST)
    panel.update(history, ())
    assert lights(panel)[1] == "", "one of two was not run"
    history.add_check(replace(FIRST, name="zeroed input", verdict="unknown"))
    panel.update(history, ())
    assert lights(panel)[1] == "ok"
    row = panel.widget.data["headings"][1]["rows"][0]
    assert (row["light"], row["measured"], row["expected"], row["step"]) == ("ok", "2.31", "2.303", 40)
    # 20 s of the one that was not run, and the time that the others took
    assert panel.widget.data["about"] == "23 s"


def test_the_worst_light_of_a_heading_wins(panel):
    history = History()
    history.add_check(replace(FIRST, verdict="suspicious"))
    panel.update(history, ())
    assert lights(panel)[1] == "suspicious"
    history.add_check(replace(FIRST, name="zeroed input", verdict="wrong"))
    panel.update(history, ())
    assert lights(panel)[1] == "wrong"


def test_findings_stand_under_their_heading(panel):
    panel.update(History(), (FINDING, replace(FINDING, rule="UpdateRatio", severity="warning", where="Dense_0")))
    assert lights(panel) == ["", "wrong", "", "suspicious", ""]
    assert panel.widget.data["headings"][1]["findings"] == [
        {"light": "wrong", "rule": "softmax twice", "where": "model.py:3"}
    ]
    panel.update(History(), (replace(FINDING, severity="note"),))
    assert lights(panel)[1] == "", "a note is no alarm"


def test_many_findings_are_counted(panel):
    panel.update(History(), [replace(FINDING, where=f"layer_{i}") for i in range(11)])
    heading = panel.widget.data["headings"][1]
    assert (len(heading["findings"]), heading["more"]) == (8, 3)


def test_a_click_asks_for_checks(panel):
    asked = []
    panel.send = asked.append
    panel.widget._handle_custom_msg({"kind": "check", "names": ["first loss"]}, [])
    panel.widget._handle_custom_msg({"kind": "check", "names": []}, [])
    panel.widget._handle_custom_msg({"kind": "other"}, [])
    assert asked == [Command("check", ("first loss",)), Command("check", ())]


def test_nothing_is_sent_twice(panel):
    history = History()
    history.add_check(FIRST)
    panel.update(history, ())
    seen = []
    panel.widget.observe(seen.append, "data")
    panel.update(history, ())
    assert not seen
    panel.notices = (Notice("ladder", "failed"),)
    panel.update(history, ())
    assert not seen, "the others go on"
    panel.notices = (Notice("check", "refused"),)
    panel.update(history, ())
    assert len(seen) == 1, "a refusal ends the waiting in the browser"
