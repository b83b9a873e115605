"""A check, the checklist, and where findings belong."""

from __future__ import annotations

import json

import pytest

from nnwidgets.lint import DEFAULT_LINTS
from nnwidgets.records import HEADING_OF, HEADINGS, Check, CheckInfo, Checklist, History
from nnwidgets.rules import DEFAULT_RULES, FINAL_RULES

INFOS = (CheckInfo("few points", 1, "Learns a few.", 20.0), CheckInfo("first loss", 2, "Against chance.", 2.0))
FIRST = Check("first loss", "2.303", "<9.1>", "wrong", 2, "far above chance.", {"values": [1.0, float("nan")]}, 40)


def test_every_rule_has_its_heading() -> None:
    names = {type(rule).__name__ for rule in (*DEFAULT_LINTS, *DEFAULT_RULES, *FINAL_RULES)}
    assert set(HEADING_OF) == names
    assert set(HEADING_OF.values()) <= set(range(1, len(HEADINGS) + 1))


def test_the_checklist_as_text() -> None:
    text = repr(Checklist(INFOS, (FIRST,)))
    assert "1. Start simple\n   ○ few points: not run" in text
    assert "   ✗ first loss: <9.1>; expected 2.303\n       far above chance." in text
    assert [f"{number}. {heading}" in text for number, heading in enumerate(HEADINGS, 1)] == [True] * 5


def test_a_dash_tells_its_reason() -> None:
    dash = Check("few points", "", "can't be measured", "unknown", 1, "the loss takes no batch of eight.")
    assert "   \u2013 few points: can't be measured\n       the loss takes no batch of eight." in repr(
        Checklist(INFOS, (dash,))
    )


def test_the_checklist_as_json_and_html(tmp_path) -> None:
    checklist = Checklist(INFOS, (FIRST,))
    assert not checklist.ok and Checklist(INFOS, ()).ok
    told = json.loads(checklist.to_json())
    assert (told["ok"], told["checks"][0]["numbers"]["values"]) == (False, [1.0, "nan"])
    page = checklist.save_html(tmp_path / "checklist.html").read_text("utf-8")
    assert "&lt;9.1&gt;" in page and "not run" in page and "://" not in page


def test_a_check_by_its_name() -> None:
    checklist = Checklist(INFOS, (FIRST,))
    assert checklist["first loss"] is FIRST
    with pytest.raises(KeyError, match="'few points' was not checked; checked were: first loss"):
        checklist["few points"]


def test_the_newest_check_of_a_name_is_kept(tmp_path) -> None:
    history = History()
    history.add_check(Check("first loss", "2.3", "2.4", "ok"))
    history.add_check(FIRST)
    assert history.checks == (FIRST,)
    loaded = History.load(history.save(tmp_path / "history.npz")).checks[0]
    assert (loaded.name, loaded.verdict, loaded.step) == ("first loss", "wrong", 40)
