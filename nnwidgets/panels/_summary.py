"""The dashboard in plain text."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from nnwidgets.records import Finding, History, Notice, Status

from ._causes import causes_first
from ._status_line import news, watching_words
from ._text import literal
from ._theme import at_step, newest_step, number
from ._verdict import nothing_found

NOTICES = 3
LONG = 160
# Findings that are told in full, and those that are named.
TOLD, NAMED = 6, 10


def summary(
    status: Status,
    history: History,
    findings: Sequence[Finding],
    notices: Sequence[Notice] = (),
    rules: Sequence[str] = (),
) -> str:
    """State, step, newest losses and metrics, the layers that stand out, findings with remedies, the first notices."""
    total = f" of {status.target:,}" if status.target else ""
    speed = f", {number(status.steps_per_second)} steps/s" if status.steps_per_second else ""
    lines = [f"nnwidgets: {status.state}, step {status.step:,}{total}{speed}"]
    if message := news(status):
        lines[0] += f" ({message})"
    losses = newest_numbers(history)
    lines += [f"  {line}" for line in (losses, _extremes(history), watching_words(status)) if line]
    lines += [f"  {line}" for line in _findings(findings)]
    if not findings and status.step:
        verdict, who = nothing_found(rules, notices)
        lines.append(f"  {verdict[0].lower()}{verdict[1:]} {who}".rstrip())
    lines += [f"  {line}" for line in _notices(notices)]
    return "\n".join(map(_seen, lines))


def newest_numbers(history: History) -> str:
    """The newest losses and then metrics, with their step where others are newer."""
    names = [name for name in history.names() if name.split("/")[0] in ("train", "validation")]
    newest = [(name, history.latest(name)) for name in sorted(names, key=lambda name: not name.endswith("/loss"))]
    now = newest_step(history)
    return ", ".join(
        f"{name} {number(float(row[1][0]), 4)}{at_step(row[0], now)}" for name, row in newest if row is not None
    )


def _findings(findings: Sequence[Finding]) -> list[str]:
    """The first ones with their line, what they mean and what to do; the next ones in one line each."""
    causes = [cause for cause, _ in causes_first(findings)]
    followers = [each for each in findings if each not in causes]
    lines: list[str] = []
    for place, each in enumerate([*causes, *followers][:NAMED]):
        line = f", {each.line}" if each.line else ""
        follows = f", follows from {each.follows}" if each in followers else ""
        lines.append(_line(f"{each.severity}: {each.rule} {each.where} at step {each.step:,}{line}{follows}"))
        if place < TOLD and each in causes:
            about = (
                ("", each.explanation),
                ("confirmed: ", each.confirmed),
                ("try: ", each.remedy),
                ("tried: ", each.tried),
            )
            lines += [f"  {name}{_line(words)}" for name, words in about if words]
    more = len(findings) - NAMED
    return lines + ([f"and {more} more in .findings"] if more > 0 else [])


def _line(words: str) -> str:
    return " ".join(words.split())


def _seen(line: str) -> str:
    """Without signs that a terminal would obey, or that turn round the order of reading."""
    return "".join(letter if letter.isprintable() else ascii(letter)[1:-1] for letter in literal(line))


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
        words.append(f"smallest {number(float(values[low]))} in {literal(layers[low])}")
        words.append(f"largest {number(float(values[high]))} in {literal(layers[high])}")
    return "gradient norm: " + ", ".join(words)
