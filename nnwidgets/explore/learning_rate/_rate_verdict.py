"""Whether the present learning rate is too high or too low, from runs at it and at another one."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from ._sweep import DIVERGED

Numbers = npt.NDArray[np.float64]
# Share of the loss's size that counts as a rise or as a fall.
_RISE, _FALL = 0.2, 0.05
# A rate is told to be too low where one that is so many times higher does far better; too high by the other.
LOW, HIGH = 10.0, 3.0


class Judged(NamedTuple):
    """What is wrong with the present learning rate.

    Attributes:
        verdict: "ok", "suspicious" or "wrong".
        fault: "", "too low", "too high" or "diverged".
    """

    verdict: str
    fault: str


def judge_rate(present: Numbers, better: Numbers, still: Numbers, factor: float, scale: float) -> Judged:
    """Compare runs that differ in the learning rate alone; "far better" is in every repeat, and by twice the fall.

    On a short horizon the highest stable rate always leads: a rate counts as too low only if one ten times as high, or more,
    does far better.

    Args:
        present: loss at the end with the present rate, one a repeat (repeats,); infinite where it was not finite.
        better: with the rate to compare with.
        still: without any learning.
        factor: the other rate over the present one.
        scale: size of the loss, for what counts as a rise.

    Example:
        >>> judge_rate(np.array([np.inf]), np.array([0.1]), np.array([1.0]), 0.1, 1.0)
        Judged(verdict='wrong', fault='diverged')
    """
    if diverged(present, still, scale).mean() >= 0.5:
        return Judged("wrong", "diverged")
    if bool((present - still > _RISE * scale).all()):
        return Judged("wrong", "too high")
    falls = still - present, still - better
    far = bool((falls[1] > 2 * falls[0]).all()) and float(falls[1].mean()) > _FALL * scale
    if far and factor <= 1 / HIGH:
        return Judged("suspicious", "too high")
    if far and factor >= LOW:
        return Judged("suspicious", "too low")
    return Judged("ok", "")


def diverged(ends: Numbers, still: Numbers, scale: float) -> npt.NDArray[np.bool_]:
    """Which losses are not finite, or above what they are without learning by three times their size; like `ends`."""
    return ~(np.where(np.isfinite(ends), ends, np.inf) - still <= DIVERGED * scale)
