"""The parts of a page that are text: readable without JavaScript, and escaped."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from nnwidgets.records import HEADINGS, Check, Finding, GradientReport, History, Notice, Status

from .._causes import causes_first
from .._findings import finding_html, nothing_html, notice_html
from .._gradient_check import headline_html, ordered_by_gravity, table_html
from .._status_line import news, speed_words
from .._text import escape
from .._theme import layer_colours, number

_SIGNS = {"ok": "✓", "wrong": "✗", "suspicious": "!", "unknown": "\u2013"}
_WORDS = {"ok": "as expected", "wrong": "wrong", "suspicious": "suspicious", "unknown": "can't be told"}
# Tensors of a gradient check, and rows of a table of facts, that are written out.
TENSORS, FACTS = 60, 80
# Letters of a fact that are shown at once.
LONG = 160


def status_html(status: Status, history: History) -> str:
    """State in words, step, speed, and the newest, first and lowest losses."""
    total = f"of {status.target:,}" if status.target and status.target != status.step else ""
    tiles = [("step", f"{status.step:,}", total)]
    if status.steps_per_second:
        amount, _, unit = speed_words(status.steps_per_second).partition(" ")
        tiles.append(("speed", amount, unit))
    if status.multiplier != 1.0:
        tiles.append(("learning rate", f"\u00d7 {number(status.multiplier)}", "the multiplier that was set"))
    tiles += [tile for part in ("train", "validation") for tile in _losses(history, part)]
    cells = "".join(
        f'<div class="nnw-tile"><dt>{name}</dt><dd>{value}</dd>{f"<dd class=nnw-more>{more}</dd>" if more else ""}</div>'
        for name, value, more in tiles
    )
    message = news(status)
    words = f' <span class="nnw-message">{escape(message)}</span>' if message else ""
    return (
        f'<p class="nnw-standing"><span class="nnw-state nnw-{status.state}">{status.state}</span>{words}</p>'
        f'<dl class="nnw-tiles">{cells}</dl>'
    )


def _losses(history: History, part: str) -> list[tuple[str, str, str]]:
    """The newest loss, and in small the first and the lowest; how many are not finite."""
    newest = history.latest(f"{part}/loss")
    if newest is None:
        return []
    series = history[f"{part}/loss"]
    low, high, first = series.low[:, 0], series.high[:, 0], float(series.values[0, 0])
    # the first ones of a long run are put together; their largest is nearest to where it began
    first = first if low[0] == high[0] else float(high[0])
    more = [f"first {number(first, 4)}"] if len(series) > 1 else []
    known = np.isfinite(low)
    if len(series) > 1 and known.any():
        best = int(np.argmin(np.where(known, low, np.inf)))
        about = "at" if low[best] == high[best] else "at about"
        more.append(f"lowest {number(float(low[best]), 4)} {about} step {int(series.steps[best]):,}")
    return [(f"{part} loss", number(float(newest[1][0]), 4), ", ".join(more))]


def findings_html(
    findings: Sequence[Finding], history: History, rules: Sequence[str], notices: Sequence[Notice]
) -> str:
    """Causes first, what follows from one folded under it; or that nothing was found, and who looked."""
    told = [finding_html(cause, history, follow) for cause, follow in causes_first(findings)]
    return without_buttons("".join(told)) or nothing_html(history, rules, notices)


def without_buttons(text: str) -> str:
    """The HTML with its lines of code as words: no editor is near that could open them."""
    return re.sub(r'<button type="button" class="nnw-line"[^>]*>(.*?)</button>', r"\1", text)


def notices_html(notices: Sequence[Notice]) -> str:
    """What failed inside the debugger; "" if nothing did. What was said many times is said once."""
    return "".join(dict.fromkeys(notice_html(notice) for notice in notices))


def checks_html(checks: Sequence[Check]) -> str:
    """The results of the checks under the headings of the checklist."""
    parts: list[str] = []
    for place, heading in enumerate(HEADINGS, 1):
        rows = "".join(_check(check) for check in checks if check.heading == place)
        if rows:
            parts.append(f"<h3>{place}. {escape(heading)}</h3>{rows}")
    return "".join(parts)


def _check(check: Check) -> str:
    light = check.verdict if check.verdict in _SIGNS else "unknown"
    expected = f' <span class="nnw-note">expected: {escape(check.expected)}</span>' if check.expected else ""
    words = f"<div>{escape(check.words)}</div>" if check.words else ""
    return (
        f'<div class="nnw-done"><span class="nnw-light nnw-light-{light}" role="img" aria-label="{_WORDS[light]}">'
        f"{_SIGNS[light]}</span><div><b>{escape(check.name)}</b>: {escape(check.measured)}{expected}{words}"
        f'<div class="nnw-note">at step {check.step:,}</div></div></div>'
    )


def gradients_html(report: GradientReport, history: History) -> str:
    """The newest gradient check, the gravest tensors first."""
    tensors = ordered_by_gravity(report)[:TENSORS]
    return (
        f'{headline_html(report)}<div class="nnw-scrolled">{table_html(report, tensors, layer_colours(history))}</div>'
    )


def facts_html(facts: Mapping[str, Mapping[str, Any]]) -> str:
    """Tables of names and values, each under its heading."""
    parts: list[str] = []
    for heading, rows in facts.items():
        flat = list(_flat(rows))
        cells = "".join(
            f"<tr><th scope='row'>{escape(name)}</th><td>{_folded(value)}</td></tr>" for name, value in flat[:FACTS]
        )
        more = f'<p class="nnw-note">and {len(flat) - FACTS:,} more</p>' if len(flat) > FACTS else ""
        if cells:
            parts.append(f"<div><h3>{escape(heading)}</h3><table class='nnw-facts'>{cells}</table>{more}</div>")
    return f'<div class="nnw-columns">{"".join(parts)}</div>' if parts else ""


def _folded(value: str) -> str:
    """As HTML; what is long opens at a click."""
    if len(value) <= LONG:
        return escape(value)
    return f"<details><summary>{escape(value[:40])} \u2026</summary>{escape(value)}</details>"


def _flat(value: Any, name: str = "") -> list[tuple[str, str]]:
    """Nested names joined by spaces, with their values as people read them."""
    if isinstance(value, Mapping):
        return [row for key, each in value.items() for row in _flat(each, f"{name} {key}".strip())]
    if value is None or value == "":
        return []
    if isinstance(value, float):
        return [(name, number(value, 6) if math.isfinite(value) else str(value))]
    if isinstance(value, (list, tuple)):
        return [(name, ", ".join(map(str, value)))]
    return [(name, f"{value:,}" if isinstance(value, int) and not isinstance(value, bool) else str(value))]
