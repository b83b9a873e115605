"""Means with intervals, over few repeats."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from scipy.special import stdtrit

Numbers = npt.NDArray[np.float64]


class Interval(NamedTuple):
    """A mean with an interval.

    Attributes:
        mean: infinite where a value is.
        low: lower end; -inf of a single value.
        high: upper end.
    """

    mean: float
    low: float
    high: float


def interval(values: Numbers, comparisons: int = 1) -> Interval:
    """The mean with its 95 % interval by Student's t.

    Args:
        values: (repeats,).
        comparisons: so many intervals are to hold all at once with 95 % (Bonferroni).

    Example:
        >>> [round(each, 2) for each in interval(np.array([1.0, 2.0, 3.0]))]
        [2.0, -0.48, 4.48]
    """
    values = np.asarray(values, np.float64)
    if not np.isfinite(values).all():
        mean = float(values.sum()) if not np.isnan(values).any() else np.inf
        return Interval(mean, mean, mean)
    mean, count = float(values.mean()), len(values)
    if count < 2:
        return Interval(mean, -np.inf, np.inf)
    half = float(stdtrit(count - 1, 1 - 0.025 / comparisons) * values.std(ddof=1) / np.sqrt(count))
    return Interval(mean, mean - half, mean + half)
