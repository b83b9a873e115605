"""What the rules found, and what failed inside the debugger."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Sequence

import ipywidgets
import numpy as np

from nnwidgets.records import Command, Finding, History, Notice, Series

from ._causes import causes_first
from ._panel import Panel
from ._source_line import source_line
from ._text import escape
from ._theme import number, rule_words
from ._verdict import all_well, nothing_found

SHOWN = 30
# What a rule's evidence looks like over the run: the reading that its picture shows, the first that was recorded.
_PICTURES = {
    "VanishingGradient": ("gradient/norm",),
    "ExplodingGradient": ("gradient/norm",),
    "ZeroGradient": ("gradient/norm",),
    "NonFinite": ("gradient/norm", "train/loss"),
    "UpdateRatio": ("update/ratio",),
    "NothingChanges": ("update/norm",),
    "SwallowedUpdates": ("update/ratio",),
    "DeadUnits": ("activation/dead",),
    "SaturatedUnits": ("activation/saturated",),
    "Overfitting": ("validation/loss",),
    "ValidationBetter": ("validation/loss",),
}
_WIDTH, _HEIGHT = 260, 56
_STILL_SECONDS = 10.0


class Findings(Panel):
    """The findings: causes first, what follows from one folded under it; then the notices.

    Each opens to its evidence: the numbers, the user's line of code, the reading over the run, how it was confirmed, what
    to do and whether that was tried. Tells apart: nothing found (it says so, and which rules looked) from nothing looked
    at yet; it is green only when more than one rule looked and none failed. A notice is about the debugger itself, such
    as a probe that failed, and is never red.

    Attributes:
        notices: what the dashboard hands on before each update.
        rules: the names of the rules that look at the run.
        send: takes the wish to look at the set-up or to try a remedy; the dashboard sets it.
    """

    title = "Findings"
    wide = True

    def __init__(self) -> None:
        self.notices: Sequence[Notice] = ()
        self.rules: Sequence[str] = ()
        self.send: Callable[[Command], None] = lambda command: None
        self._findings, self._notices = ipywidgets.HTML(), ipywidgets.HTML()
        self._lint = ipywidgets.Button(
            description="Check the set-up",
            tooltip="Look at the loss, the first batches, the initialisation and the optimizer; makes no step",
            icon="search",
        )
        self._verify = ipywidgets.Button(
            description="Try the remedy",
            tooltip="Beside the unchanged run; the run stands still meanwhile",
            icon="flask",
        )
        self._lint.on_click(lambda _: self.send(Command("lint")))
        self._verify.on_click(lambda _: self.send(Command("verify", self._which)))
        self._which: tuple[str, str] = ("", "")
        self._drawn: list[tuple[str, ...]] = []
        self._drawn_at = float("-inf")
        self._verify.layout.display = "none"
        buttons = ipywidgets.HBox([self._lint, self._verify]).add_class("nnw-command")
        self.widget = ipywidgets.VBox([buttons, self._findings, self._notices])

    def update(self, history: History, findings: Sequence[Finding]) -> str | None:
        """Show them. While the same ones are found the numbers are renewed seldom: what is sent closes an opened detail."""
        ordered = causes_first(findings)
        same = [(each.rule, each.where, each.severity, each.follows, each.confirmed, each.tried) for each in findings]
        self._notices.value = "".join(notice_html(notice) for notice in self.notices[-SHOWN:])
        self._offer([*(cause for cause, _ in ordered), *findings])
        if findings and same == self._drawn and time.monotonic() - self._drawn_at < _STILL_SECONDS:
            return None
        self._drawn, self._drawn_at = same, time.monotonic()
        parts = [finding_html(cause, history, follow) for cause, follow in ordered[:SHOWN]]
        if len(ordered) > SHOWN:
            parts.append(f'<div class="nnw-note">and {len(ordered) - SHOWN} more: session.findings</div>')
        self._findings.value = "".join(parts) or nothing_html(history, self.rules, self.notices)
        return None

    def _offer(self, findings: Sequence[Finding]) -> None:
        """The button for the first remedy that can be tried, and was not."""
        first = next((each for each in findings if each.change is not None and not each.tried), None)
        self._verify.layout.display = "none" if first is None else ""
        if first is not None:
            self._which = (first.rule, first.where)
            self._verify.description = f"Try the remedy of “{rule_words(first.rule)}”"
            self._verify.layout.width = "auto"


def nothing_html(history: History, rules: Sequence[str], notices: Sequence[Notice]) -> str:
    """That nothing was found, and who looked; or that there is nothing to judge yet."""
    if history.latest("train/loss") is None:
        return '<div class="nnw-waiting">Nothing to judge yet. Check the set-up, or run some steps.</div>'
    verdict, who = (escape(part) for part in nothing_found(rules, notices))
    if all_well(rules, notices):
        return f'<div class="nnw-healthy"><b>✓ {verdict}</b> {who}</div>'
    return f'<div class="nnw-notice">{verdict} {who}</div>'


def finding_html(finding: Finding, history: History, consequences: Sequence[Finding] = ()) -> str:
    """A finding as a headline with what it means, which opens to its evidence."""
    code = finding.evidence.get("code") or finding.evidence.get("line")
    line = source_line(finding.line, code) if finding.line else ""
    place = " · ".join(part for part in (escape(finding.where), line, f"step {finding.step:,}") if part)
    evidence = "".join(
        f"<tr><td>{escape(str(key))}</td><td>{escape(_value(value))}</td></tr>"
        for key, value in finding.evidence.items()
        if value != code
    )
    details = f'<table class="nnw-evidence">{evidence}</table>' if evidence else ""
    details += _picture(finding, history)
    details += f'<div class="nnw-note">confirmed: {escape(finding.confirmed)}</div>' if finding.confirmed else ""
    details += "".join(finding_html(each, history) for each in consequences)
    count = len(consequences)
    more = f", and {count} that follow{'s' if count == 1 else ''} from it" if count else ""
    verified = " <b>(tried: it helped)</b>" if finding.verified else ""
    return (
        f'<div class="nnw-finding nnw-{finding.severity}"><div>'
        f"<b>{finding.severity}: {escape(rule_words(finding.rule))}</b>"
        f' <span class="nnw-place">{place}</span></div><div>{escape(finding.explanation)}</div>'
        + (f'<pre class="nnw-code">{escape(str(code))}</pre>' if finding.line and code else "")
        + (f"<div><b>Try:</b> {escape(finding.remedy)}{verified}</div>" if finding.remedy else "")
        + (f'<div class="nnw-note">tried: {escape(finding.tried)}</div>' if finding.tried else "")
        + (f"<details><summary>evidence{more}</summary>{details}</details>" if details else "")
        + "</div>"
    )


def _picture(finding: Finding, history: History) -> str:
    """The reading that the finding speaks of, over the run, as one line; the step of the finding is marked."""
    names = (*_PICTURES.get(finding.rule, ()), "train/loss") if finding.step or finding.rule in _PICTURES else ()
    name = next((each for each in names if each in history), None)
    if name is None:
        return ""
    series = history[name]
    values = _column(series, finding.where)
    shown = np.isfinite(values)
    if shown.sum() < 2:
        return ""
    steps, values = series.steps[shown].astype(np.float64), values[shown]
    chosen = np.unique(np.linspace(0, len(values) - 1, min(len(values), _WIDTH)).astype(int))
    low, high = float(values.min()), float(values.max())
    wide, tall = max(float(np.ptp(steps)), 1.0), (high - low) or 1.0
    across = lambda step: (step - steps[0]) / wide * _WIDTH  # noqa: E731
    points = " ".join(f"{across(steps[i]):.1f},{_HEIGHT - (values[i] - low) / tall * _HEIGHT:.1f}" for i in chosen)
    mark = across(min(max(float(finding.step), steps[0]), steps[-1]))
    label = escape(f"{name} {finding.where}".strip())
    return (
        f'<div class="nnw-picture"><svg width="{_WIDTH}" height="{_HEIGHT}" role="img" aria-label="{label} over the run">'
        f'<line x1="{mark:.1f}" x2="{mark:.1f}" y1="0" y2="{_HEIGHT}"/><polyline points="{points}"/></svg>'
        f'<div class="nnw-note">{label}: {number(low)} to {number(high)}, '
        f"steps {int(steps[0]):,} to {int(steps[-1]):,}</div></div>"
    )


def _column(series: Series, where: str) -> np.ndarray:
    """The layer's own column, else the largest over all."""
    values = series.values.astype(np.float64)
    own = [i for i, layer in enumerate(series.layers) if layer == where or (where and layer.startswith(f"{where}/"))]
    if own:
        return values[:, own[0]]
    return np.max(np.where(np.isfinite(values), values, -np.inf), axis=1)


def notice_html(notice: Notice) -> str:
    """A notice, which opens to its traceback."""
    text = f"<b>{escape(notice.source)}</b>: {escape(notice.message)}"
    if notice.details:
        text = f"<details><summary>{text}</summary><pre>{escape(notice.details)}</pre></details>"
    return f'<div class="nnw-notice">{text}</div>'


def _value(value: object) -> str:
    if isinstance(value, float):
        return number(value)
    return value if isinstance(value, str) else json.dumps(value, default=str)
