"""What a range test's curve says: where the loss begins to fall, falls fastest, is lowest, diverges."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

Numbers = npt.NDArray[np.float64]
# Share of the whole fall at which the loss has begun to fall.
BEGUN = 0.1
# Times its size, or its fall, by which a loss must rise to have diverged.
DIVERGED = 3.0
# Share of its size by which a loss must fall.
_LEAST = 0.01


class Sweep(NamedTuple):
    """A range test as it is read.

    Attributes:
        change: smoothed change of the loss by learning (steps,).
        rates: as given (steps,).
        fell: whether the loss fell at all; if not, the next three have no meaning.
        begins: rate at which a tenth of the fall was made.
        steepest: rate at which it falls fastest against the logarithm of the rate.
        lowest: rate at which it is lowest.
        diverges: rate at which it has diverged; infinite if it did not.
    """

    change: Numbers
    rates: Numbers
    fell: bool
    begins: float
    steepest: float
    lowest: float
    diverges: float

    @property
    def suggested(self) -> float:
        """The smaller of the steepest point and a tenth of the rate at which the loss was lowest.

        With momentum the loss answers some steps late, when the sweep has gone on: both points then lie too high, and the
        tenth is the smaller. Without it they nearly agree.
        """
        return min(self.steepest, self.lowest / 10)

    @property
    def good(self) -> tuple[float, float]:
        """Rates that are neither too low nor too high: from the beginning of the fall to halfway from steepest to lowest.

        Or to the end of the sweep, where it is lowest there.
        """
        high = self.lowest if self.falls_on else float(np.sqrt(self.steepest * self.lowest))
        return min(self.begins, self.suggested), high

    @property
    def falls_on(self) -> bool:
        """Whether the loss is lowest at the end of the sweep."""
        return self.lowest == self.rates[-1]

    def mark(self, rate: float) -> str:
        """One of "too low", "good", "too high" or "diverged"; "" where the loss did not fall and the rate is not too high."""
        if rate >= self.diverges:
            return "diverged"
        if not self.fell:
            return ""
        low, high = self.good
        return "too low" if rate < low else "good" if rate <= high else "too high"


def smooth(values: Numbers, keep: float) -> Numbers:
    """The exponential moving average along the last axis, bias corrected: the weights of the values so far have the sum 1.

    Args:
        values: (..., n).
        keep: share of the average that stays at each value.

    Example:
        >>> smooth(np.array([2.0, 2.0, 2.0]), 0.9).tolist()
        [2.0, 2.0, 2.0]
    """
    found, average = np.empty_like(values), np.zeros(values.shape[:-1])
    # 0 times infinity, where nothing is kept
    with np.errstate(invalid="ignore"):
        for i in range(values.shape[-1]):
            average = keep * average + (1 - keep) * values[..., i]
            found[..., i] = average / (1 - keep ** (i + 1))
    return found


def read_sweep(rates: Numbers, change: Numbers, level: float, keep: float) -> Sweep:
    """Read a range test.

    Args:
        rates: ascending (steps,).
        change: of the loss by learning, (repeats, steps); not finite where the loss was not.
        level: of the loss without learning.
        keep: share of the moving average that stays at each step.
    """
    change = np.where(np.isfinite(change), change, np.inf)
    middle = smooth(np.median(change, axis=0), keep)
    # the least so far counts: a loss that falls by 1 and rises by 4 has diverged, wherever it began
    limit = DIVERGED * np.maximum(abs(level), -np.minimum(np.minimum.accumulate(middle), 0.0))
    over = np.flatnonzero(~(middle <= limit))
    end = int(over[0]) if len(over) else len(rates)
    before = middle[: max(end, 1)]
    lowest = int(np.argmin(before))
    fall = -float(before[lowest])
    # where half of the fall is made: at the lowest point one order of the batches may have blown up already
    half = int(np.argmax(before <= -fall / 2))
    fell = fall > _LEAST * abs(level) and bool((smooth(change, keep)[:, half] < 0).all())
    slopes = np.diff(before[: lowest + 1], prepend=0.0)
    return Sweep(
        middle, rates, fell,
        begins=float(rates[np.argmax(before <= -BEGUN * fall)]), steepest=float(rates[np.argmin(slopes)]),
        lowest=float(rates[lowest]), diverges=float(rates[end]) if end < len(rates) else np.inf,
    )  # fmt: skip
