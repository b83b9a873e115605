"""What the rules found, and what failed inside the debugger."""

from __future__ import annotations

import html
import json
from collections.abc import Sequence

import ipywidgets

from nnwidgets.records import Finding, History, Notice

from ._panel import Panel
from ._theme import number
from ._verdict import all_well, nothing_found

SHOWN = 30


class Findings(Panel):
    """The findings, the gravest first, each with its place, its evidence and what to do; then the notices.

    Tells apart: nothing found (it says so, and which rules looked) from nothing looked at yet; it is green only when
    more than one rule looked and none failed. A notice is about the debugger itself, such as a probe that failed, and is
    never red.

    Attributes:
        notices: what the dashboard hands on before each update.
        rules: the names of the rules that look at the run.
    """

    title = "Findings"
    wide = True

    def __init__(self) -> None:
        self.notices: Sequence[Notice] = ()
        self.rules: Sequence[str] = ()
        self._findings, self._notices = ipywidgets.HTML(), ipywidgets.HTML()
        self.widget = ipywidgets.VBox([self._findings, self._notices])

    def update(self, history: History, findings: Sequence[Finding]) -> str | None:
        """Show them; a text that did not change is not sent again, so an opened detail stays open."""
        rank = {"problem": 0, "warning": 1, "note": 2}
        ordered = sorted(findings, key=lambda finding: rank[finding.severity])
        parts = [_finding(finding) for finding in ordered[:SHOWN]]
        if len(ordered) > SHOWN:
            parts.append(f'<div class="nnw-note">and {len(ordered) - SHOWN} more: session.findings</div>')
        self._findings.value = "".join(parts) or self._nothing(history)
        self._notices.value = "".join(_notice(notice) for notice in self.notices[-SHOWN:])
        return None

    def _nothing(self, history: History) -> str:
        newest = history.latest("train/loss")
        if newest is None:
            return '<div class="nnw-waiting">Nothing to judge yet. Run some steps.</div>'
        verdict, who = (html.escape(part) for part in nothing_found(self.rules, self.notices))
        if all_well(self.rules, self.notices):
            return f'<div class="nnw-healthy"><b>✓ {verdict}</b> {who}</div>'
        return f'<div class="nnw-notice">{verdict} {who}</div>'


def _finding(finding: Finding) -> str:
    escape = html.escape
    place = " · ".join(
        [escape(part) for part in (finding.where, finding.line or "") if part] + [f"step {finding.step:,}"]
    )
    evidence = ", ".join(f"{escape(str(key))} = {escape(_value(value))}" for key, value in finding.evidence.items())
    verified = " <b>(tried: it helped)</b>" if finding.verified else ""
    return (
        f'<div class="nnw-finding nnw-{finding.severity}"><div>'
        f"<b>{finding.severity}: {escape(_words(finding.rule))}</b>"
        f' <span class="nnw-place">{place}</span></div><div>{escape(finding.explanation)}</div>'
        + (f'<div class="nnw-note">measured: {evidence}</div>' if evidence else "")
        + (f"<div><b>Try:</b> {escape(finding.remedy)}{verified}</div>" if finding.remedy else "")
        + "</div>"
    )


def _notice(notice: Notice) -> str:
    escape = html.escape
    text = f"<b>{escape(notice.source)}</b>: {escape(notice.message)}"
    if notice.details:
        text = f"<details><summary>{text}</summary><pre>{escape(notice.details)}</pre></details>"
    return f'<div class="nnw-notice">{text}</div>'


def _words(rule: str) -> str:
    """CamelCase as words: ``NonFinite`` becomes "non finite"."""
    return "".join(f" {letter.lower()}" if letter.isupper() else letter for letter in rule).strip()


def _value(value: object) -> str:
    if isinstance(value, float):
        return number(value)
    return value if isinstance(value, str) else json.dumps(value, default=str)
