"""What surrounds the dashboard: the status bar's numbers and words, and commands from anywhere in the page."""

from __future__ import annotations

from dataclasses import replace

import pytest

from nnwidgets.panels._controls import Controls
from nnwidgets.panels._pacing import Pacing
from nnwidgets.panels._standing import standing
from nnwidgets.records import Status

from ._made import FINDING

VIEW = {"kind": "view", "id": "a", "shown": True, "cards": [0, 1]}
BAR = {"kind": "view", "id": "bar", "shown": True, "cards": [], "aside": True}


def test_causes_are_counted_and_the_worst_is_named():
    problem = replace(FINDING, rule="NonFinite", severity="problem", where="dense_1", follows=None)
    follows = replace(FINDING, rule="ExplodingGradient", severity="problem", follows="NonFinite")
    warning = replace(FINDING, rule="UpdateRatio", severity="warning", follows=None)
    told = standing(Status("paused", 7, message="paused: something is found"), [warning, follows, problem], ["step"])
    assert (told["problems"], told["warnings"], told["can"]) == (1, 1, ["step"])
    assert told["finding"].endswith("dense_1")
    assert (told["state"], told["step"], told["message"]) == ("paused", 7, "something is found")
    assert standing(Status(), [], [])["finding"] == ""


@pytest.mark.parametrize(
    ("status", "can"),
    [
        (Status(), ["check", "gradcheck"]),
        (Status("running", 3, target=9), ["check", "gradcheck", "pause"]),
        (Status("paused", 3, target=9, reach=(0, 3)), ["back", "check", "gradcheck", "pause", "step"]),
    ],
)
def test_only_what_makes_sense_is_done(status, can):
    sent = []
    controls = Controls(sent.append)
    controls.show(status, None)
    assert sorted(controls.can) == can
    for name in ("pause", "step", "back", "check", "gradcheck", "no such", "_send"):
        controls.command(name)
    names = {"pause": "resume" if status.state == "paused" else "pause", "back": "rewind"}
    assert sorted(each.name for each in sent) == sorted(names.get(name, name) for name in can)


def test_a_dashboard_that_only_reads_takes_no_commands():
    sent = []
    controls = Controls(sent.append)
    controls.reading = "a run elsewhere"
    controls.show(Status("paused", 3, reach=(0, 3)), None)
    controls.command("step")
    assert (controls.can, sent) == ([], [])


def test_the_status_bar_alone_is_told_once_a_second_and_sees_no_card():
    pacing = Pacing()
    pacing.heard(VIEW)
    pacing.heard(BAR)
    pacing.heard({"kind": "view", "id": "a", "shown": False, "cards": []})
    assert pacing.viewed
    assert not pacing.sees(0)
    frame = pacing.sent(10.0)
    for name in ("a", "bar"):
        pacing.heard({"kind": "ack", "id": name, "frame": frame})
    assert (pacing.due(10.5, 0.1), pacing.due(11.1, 0.1)) == (False, True)
    # a panel in sight is drawn at its own pace
    pacing.heard(VIEW)
    assert pacing.due(10.5, 0.1)


def test_the_status_bar_keeps_no_dashboard_alive():
    pacing = Pacing()
    pacing.heard(VIEW)
    pacing.heard(BAR)
    assert pacing.displayed
    for kind in ("gone", "over"):
        pacing.heard({"kind": kind, "id": "a"})
    assert (pacing.displayed, pacing.deserted) == (False, True)
    pacing.heard({"kind": "gone", "id": "bar"})
    assert (pacing.deserted, pacing.viewed) == (True, False)
