"""The dashboard in plain text."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from nnwidgets.records import Finding, History, Notice, Status

from ._status_line import news, watching_words
from ._theme import at_step, number
from ._verdict import nothing_found

NOTICES = 3
LONG = 160


def summary(
    status: Status,
    history: History,
    findings: Sequence[Finding],
    notices: Sequence[Notice] = (),
    rules: Sequence[str] = (),
) -> str:
    """State, step, newest losses and metrics, the layers that stand out, the findings, and the first notices."""
    total = f" of {status.target:,}" if status.target else ""
    speed = f", {number(status.steps_per_second)} steps/s" if status.steps_per_second else ""
    lines = [f"nnwidgets: {status.state}, step {status.step:,}{total}{speed}"]
    if message := news(status):
        lines[0] += f" ({message})"
    newest = [(name, history.latest(name)) for name in history.names() if name.split("/")[0] in ("train", "validation")]
    losses = [
        f"{name} {number(float(row[1][0]), 4)}{at_step(row[0], status.step)}" for name, row in newest if row is not None
    ]
    if losses:
        lines.append("  " + ", ".join(losses))
    lines += [f"  {line}" for line in (_extremes(history), watching_words(status)) if line]
    lines += [
        f"  {finding.severity}: {finding.rule} {finding.where} at step {finding.step:,}" for finding in findings[:10]
    ]
    if not findings and status.step:
        verdict, who = nothing_found(rules, notices)
        lines.append(f"  {verdict[0].lower()}{verdict[1:]} {who}".rstrip())
    lines += [f"  {line}" for line in _notices(notices)]
    return "\n".join(lines)


def _notices(notices: Sequence[Notice]) -> list[str]:
    # what fails at every step is one line
    distinct = list(dict.fromkeys(f"notice, {notice.source}: {_short(notice.message)}" for notice in notices))
    more = len(distinct) - NOTICES
    return distinct[:NOTICES] + ([f"and {more} more in .notices"] if more > 0 else [])


def _short(message: str) -> str:
    words = " ".join(message.split())
    return words if len(words) <= LONG else words[: LONG - 1] + "…"


def _extremes(history: History) -> str:
    newest = history.latest("gradient/norm")
    if newest is None:
        return ""
    layers, values = history.tail("gradient/norm", 1).layers, newest[1]
    finite = np.flatnonzero(np.isfinite(values))
    bad = len(values) - len(finite)
    words = [f"not finite in {bad} of {len(values)} tensors"] if bad else []
    if len(finite):
        low, high = finite[np.argmin(values[finite])], finite[np.argmax(values[finite])]
        words.append(f"smallest {number(float(values[low]))} in {layers[low]}")
        words.append(f"largest {number(float(values[high]))} in {layers[high]}")
    return "gradient norm: " + ", ".join(words)
