"""The dashboard in plain text."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from nnwidgets.records import Finding, History, Status

from ._status_line import watching_words
from ._theme import number


def summary(status: Status, history: History, findings: Sequence[Finding]) -> str:
    """State, step, newest losses and metrics, the layers that stand out, and the findings."""
    total = f" of {status.target:,}" if status.target else ""
    speed = f", {number(status.steps_per_second)} steps/s" if status.steps_per_second else ""
    lines = [f"nnwidgets: {status.state}, step {status.step:,}{total}{speed}"]
    if status.message:
        lines[0] += f" ({status.message})"
    newest = [(name, history.latest(name)) for name in history.names() if name.split("/")[0] in ("train", "validation")]
    losses = [f"{name} {number(float(row[1][0]), 4)}" for name, row in newest if row is not None]
    if losses:
        lines.append("  " + ", ".join(losses))
    lines += [f"  {line}" for line in (_extremes(history), watching_words(status)) if line]
    lines += [
        f"  {finding.severity}: {finding.rule} {finding.where} at step {finding.step:,}" for finding in findings[:10]
    ]
    if not findings and status.step:
        lines.append("  no rule found anything wrong")
    return "\n".join(lines)


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
