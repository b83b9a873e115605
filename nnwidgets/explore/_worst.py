"""Several sentences about one thing, each with its verdict, as one answer."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

_ORDER, _MOST = ("wrong", "suspicious", "ok"), 3


class Told(NamedTuple):
    """One sentence.

    Attributes:
        verdict: "wrong", "suspicious" or "ok".
        words: the sentence.
    """

    verdict: str
    words: str


def worst(told: Sequence[Told], otherwise: str) -> tuple[str, str]:
    """The worst verdict, and what bears it out, worst first; what was measured stands behind that.

    Where something is wrong, what is in order is left out, and of more than three sentences the worst three are told.

    Example:
        >>> worst([Told("ok", "A bias does nothing."), Told("wrong", "It is off.")], "Loss 1.")
        ('wrong', 'It is off. Loss 1.')
        >>> worst([], "Loss 1.")
        ('ok', 'Loss 1.')
    """
    ordered = sorted(told, key=lambda each: _ORDER.index(each.verdict))
    chosen = [each for each in ordered if each.verdict != "ok"] or ordered
    return chosen[0].verdict if chosen else "ok", " ".join(
        [*(each.words for each in chosen[:_MOST]), otherwise]
    ).strip()
