"""Which learning rates are too low, good, at the edge, and diverge."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from ._rate_verdict import diverged

Numbers = npt.NDArray[np.float64]
# Share of the best rate's fall of the loss that a good rate reaches.
GOOD = 0.5


def best_of(ends: Numbers, still: Numbers, scale: float) -> int | None:
    """Index of the rate with the lowest median loss, of those that diverged in no seed; None if there is none."""
    bad = diverged(ends, still, scale).any(axis=1)
    medians = np.where(bad, np.inf, np.median(np.where(np.isfinite(ends), ends, np.inf), axis=1))
    return int(np.argmin(medians)) if np.isfinite(medians).any() else None


def mark_rates(ends: Numbers, still: Numbers, scale: float) -> list[str]:
    """One word a rate.

    "diverged": most seeds ended far above where they would be without learning, or at no finite number. "good": the loss
    fell at least half as far as at the best rate, for every seed by itself. Else "too low" below the best rate, and "edge"
    above it: there the loss falls for some seeds, or less, or not at all. Where no rate lowers the loss, none is good or too
    low.

    Args:
        ends: loss at the end (rates, seeds), rates ascending.
        still: without any learning (seeds,).
        scale: size of the loss.

    Example:
        >>> mark_rates(np.array([[0.99], [0.1], [0.7], [np.inf]]), np.array([1.0]), 1.0)
        ['too low', 'good', 'edge', 'diverged']
    """
    bad, best = diverged(ends, still, scale), best_of(ends, still, scale)
    falls = still - np.where(np.isfinite(ends), ends, np.inf)
    reached = np.zeros(ends.shape[1]) if best is None else falls[best]
    # for a seed without a fall at the best rate, as far as there
    far = np.all(falls >= np.minimum(GOOD * reached, reached), axis=1)
    found = list[str]()
    for i, share in enumerate(bad.mean(axis=1)):
        if share > 0.5:
            found.append("diverged")
        elif not np.median(reached) > 0:
            found.append("no fall")
        elif far[i]:
            found.append("good")
        else:
            found.append("too low" if best is not None and i < best and share == 0 else "edge")
    return found
