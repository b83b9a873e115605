"""How a check tells what it found."""

from __future__ import annotations

from typing import Any

from nnwidgets.records import Check


def told(check: Any, measured: str, expected: str, verdict: str, words: str = "", **numbers: Any) -> Check:
    """The result of a check, under its name and heading.

    Args:
        check: which has `name` and `heading`.
        measured: what came out, short: it stands beside a light.
        expected: what was expected, likewise.
        verdict: see `Check`.
        words: what the verdict means, and what to do; a sentence or two.
        numbers: what was measured, for pictures and other programs.
    """
    return Check(check.name, expected, measured, verdict, check.heading, words, numbers)
