"""From the rows of a reading to the points of lines."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from nnwidgets.records import Series

Floats = npt.NDArray[np.float64]


def outline(series: Series) -> tuple[Floats, Floats]:
    """The points of one line a layer that touches each row's smallest and largest value.

    Returns:
        steps of shape (points,), and values of shape (layers, points).
    """
    if np.array_equal(series.low, series.high, equal_nan=True):
        return series.steps.astype(np.float64), series.values.T.astype(np.float64)
    steps = np.repeat(series.steps.astype(np.float64), 2)
    steps[0::2] -= np.diff(series.steps, prepend=series.steps[0]) / 2
    # rising rows from low to high, falling ones from high to low: no needless zigzag
    rising = np.diff(series.values, axis=0, prepend=series.values[:1]) >= 0
    points = np.empty((2 * len(series), len(series.layers)))
    points[0::2] = np.where(rising, series.low, series.high)
    points[1::2] = np.where(rising, series.high, series.low)
    return steps, points.T


def smooth(steps: npt.ArrayLike, values: npt.ArrayLike, window: float) -> Floats:
    r"""Exponential moving average along the last axis that forgets a value within about `window` steps.

    :math:`s_k = \sum_j w_{kj} v_j / \sum_j w_{kj}` over :math:`j \le k` with
    :math:`w_{kj} = e^{-(t_k - t_j) / window}`, so the beginning is not pulled to zero and uneven steps do no harm.

    Returns:
        float64, like `values`; NaN where a value is not finite, which does not spoil the rest.

    Example:
        >>> smooth([0, 1, 2], [4.0, 4.0, 4.0], window=10).tolist()
        [4.0, 4.0, 4.0]
    """
    ages = np.asarray(steps, np.float64) / max(window, 1e-9)
    points = np.asarray(values, np.float64)
    finite = np.isfinite(points)
    # value and weight side by side: both are summed with the same decay
    known = np.stack([np.where(finite, points, 0.0), finite])
    totals = np.empty_like(known)
    carried, start = np.zeros(known.shape[:-1]), 0
    while start < len(ages):
        # in pieces, since e^age would overflow over a long run
        end = max(start + 1, int(np.searchsorted(ages, ages[start] + 200.0)))
        growth = np.exp(ages[start:end] - ages[start])
        totals[..., start:end] = carried[..., None] + np.cumsum(known[..., start:end] * growth, axis=-1)
        if end < len(ages):
            carried = totals[..., end - 1] * np.exp(ages[start] - ages[end])
        totals[..., start:end] /= growth
        start = end
    total, weight = totals
    return np.where(finite, total / np.where(weight > 0, weight, 1.0), np.nan)


def log10(values: npt.ArrayLike) -> Floats:
    """log10, and NaN (a gap in a line) where a value is not positive or not finite."""
    points = np.asarray(values, np.float64)
    good = np.isfinite(points) & (points > 0)
    return np.where(good, np.log10(np.where(good, points, 1.0)), np.nan)
