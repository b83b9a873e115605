"""The checklist as a column of lights."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import anywidget
import traitlets

from nnwidgets.records import HEADINGS, Check, CheckInfo, Command, Finding, History, Notice, heading_of

from ._panel import Panel
from ._scripts import text_of
from ._text import literal
from ._theme import duration, rule_words

# A red finding counts as much as a check that failed.
_LIGHTS = {"problem": "wrong", "warning": "suspicious", "note": ""}
_WORST = ("wrong", "suspicious")
SHOWN = 8


class Checklist(Panel):
    """The five steps of the checklist, each a heading with its checks and its findings, one light each.

    Grey: not checked. Green: measured, and as expected. Amber: suspicious, or a warning of a rule. Red: wrong. A dash: it
    can't be measured on this model. A heading is green only when all its checks were run; it is red as soon as one of them, or
    a finding that belongs there, is. Tells apart: nothing is wrong (green) from nobody looked (grey).

    Attributes:
        infos: the checks that there are; the dashboard hands them over.
        notices: what failed; a click that was refused is not waited for any longer.
        send: takes the wish to run checks; the dashboard sets it.
    """

    title = "Checklist"
    beside = True

    def __init__(self) -> None:
        self.infos: Sequence[CheckInfo] = ()
        self.notices: Sequence[Notice] = ()
        self.rules: Sequence[str] = ()
        self.send: Callable[[Command], None] = lambda command: None
        self.widget = ChecklistLights()
        self.widget.on_msg(lambda widget, content, buffers: self._asked(content))

    def update(self, history: History, findings: Sequence[Finding]) -> str | None:
        """Show the newest results."""
        if not (self.infos or findings or history.version):
            return "Waits for the first step; what the rules find stands here under the step of the checklist."
        checks = {check.name: check for check in history.checks}
        headings = [
            _heading(
                number,
                [(info, checks.get(info.name)) for info in self.infos if info.heading == number],
                [each for each in findings if heading_of(each.rule) == number and each.severity != "note"],
            )
            for number in range(1, len(HEADINGS) + 1)
        ]
        seconds = sum(_seconds(info, checks.get(info.name)) for info in self.infos)
        # a check that failed has its own name as the source
        refused = sum(notice.source == "check" for notice in self.notices)
        data = {"headings": headings, "about": duration(seconds) if self.infos else "", "refused": refused}
        if data != self.widget.data:
            self.widget.data = data
        return None

    def _asked(self, content: Any) -> None:
        if isinstance(content, dict) and content.get("kind") == "check":
            self.send(Command("check", tuple(map(str, content.get("names") or ()))))


class ChecklistLights(anywidget.AnyWidget):
    """The column in the browser; a click comes back as ``{"kind": "check", "names": [...]}``.

    Attributes:
        data: headings with their rows; see checklist.js.
    """

    _esm = text_of("checklist.js")
    data = traitlets.Dict().tag(sync=True)


def _heading(number: int, rows: list[tuple[CheckInfo, Check | None]], findings: list[Finding]) -> dict[str, Any]:
    lights = [check.verdict for _, check in rows if check is not None] + [_LIGHTS[each.severity] for each in findings]
    light = next((worst for worst in _WORST if worst in lights), "")
    if not light and rows and all(check is not None for _, check in rows):
        light = "ok" if "ok" in lights else "unknown"
    return {
        "number": number,
        "title": HEADINGS[number - 1],
        "light": light,
        "rows": [_row(info, check) for info, check in rows],
        "findings": [
            {
                "light": _LIGHTS[each.severity],
                "rule": literal(rule_words(each.rule)),
                "where": literal(each.where or each.line or ""),
            }
            for each in findings[:SHOWN]
        ],
        "more": max(0, len(findings) - SHOWN),
    }


def _row(info: CheckInfo, check: Check | None) -> dict[str, Any]:
    row: dict[str, Any] = {
        "name": info.name,
        "about": literal(info.about),
        "seconds": duration(_seconds(info, check)),
        "light": "",
    }
    if check is not None:
        row |= {
            "light": check.verdict, "measured": literal(check.measured), "expected": literal(check.expected),
            "words": literal(check.words),
            "step": check.step, "at": check.at,
        }  # fmt: skip
    return row


def _seconds(info: CheckInfo, check: Check | None) -> float:
    return info.seconds if check is None else check.seconds
