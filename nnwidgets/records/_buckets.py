"""The older part of a table: rows summarized in buckets of neighbours, in bounded memory."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float32]
Ints = npt.NDArray[np.int64]

MEAN, LOW, HIGH = 0, 1, 2


class Buckets:
    """Mean, smallest and largest value of runs of neighbouring rows; when all are full, neighbours merge in pairs.

    A non-finite value stays visible however often its bucket is merged: `low` and `high` are NaN if any row of the
    bucket was NaN, and infinite if one was infinite, while the mean is that of the finite rows (NaN if there was
    none), so that one bad step does not blank the line around it. So ``isfinite(low) & isfinite(high)`` holds exactly
    where every row was finite.

    Args:
        shape: of one row.
        limit: the largest number of buckets, even.
        width: rows in a bucket at first; doubled at each merge.
    """

    def __init__(self, shape: tuple[int, ...], limit: int, width: int) -> None:
        self.limit = limit
        self.width = width
        self.count = 0
        capacity = min(limit, 16)
        self.data: Floats = np.empty((3, capacity, *shape), np.float32)
        self.steps: Ints = np.empty(capacity, np.int64)
        self.rows: Ints = np.empty(capacity, np.int64)

    @property
    def nbytes(self) -> int:
        """Bytes held."""
        return self.data.nbytes + self.steps.nbytes + self.rows.nbytes

    def fold(self, step: int, rows: Floats) -> None:
        """Take in some rows, the last of them read at `step`, into the open bucket, or into a new one."""
        chunk = _summarize(rows)
        last = self.count - 1
        if self.count and self.rows[last] + len(rows) <= self.width:
            self.data[:, last] = _merge(self.data[:, last], self.rows[last], chunk, np.int64(len(rows)))
            self.steps[last] = step
            self.rows[last] += len(rows)
            return
        if self.count == self.limit:
            self._halve()
        self.reserve(self.count + 1)
        self.data[:, self.count] = chunk
        self.steps[self.count] = step
        self.rows[self.count] = len(rows)
        self.count += 1

    def truncate(self, step: int) -> None:
        """Drop the buckets that reach beyond `step`."""
        self.count = int(np.searchsorted(self.steps[: self.count], step, side="right"))

    def reserve(self, count: int) -> None:
        """Make room for `count` buckets in all, by doubling."""
        if count <= len(self.steps):
            return
        capacity = min(max(2 * len(self.steps), count), self.limit)
        data: Floats = np.empty((3, capacity, *self.data.shape[2:]), np.float32)
        data[:, : self.count] = self.data[:, : self.count]
        self.data = data
        self.steps, self.rows = np.resize(self.steps, capacity), np.resize(self.rows, capacity)

    def _halve(self) -> None:
        data, steps, rows = np.empty_like(self.data), np.empty_like(self.steps), np.empty_like(self.rows)
        half = self.limit // 2
        data[:, :half] = _merge(self.data[:, 0::2], self.rows[0::2], self.data[:, 1::2], self.rows[1::2])
        steps[:half] = self.steps[1::2]
        rows[:half] = self.rows[0::2] + self.rows[1::2]
        self.data, self.steps, self.rows = data, steps, rows
        self.count = half
        self.width *= 2


def _summarize(rows: Floats) -> Floats:
    with np.errstate(invalid="ignore"):
        low, high = rows.min(axis=0), rows.max(axis=0)
        finite = np.isfinite(rows)
        # float64: the sum of large float32 values must not overflow
        total = np.where(finite, rows, np.float32(0.0)).sum(axis=0, dtype=np.float64)
    return np.stack([_divide(total, finite.sum(axis=0)), low, high])


def _merge(first: Floats, first_rows: npt.ArrayLike, second: Floats, second_rows: npt.ArrayLike) -> Floats:
    """Two summaries (3, ..., readings, layers) as one; the means weighted by their rows."""
    ways = ((first, first_rows), (second, second_rows))
    weights = [np.where(np.isnan(way[MEAN]), 0, np.expand_dims(rows, (-2, -1))) for way, rows in ways]
    total = sum(np.where(weight > 0, way[MEAN], 0.0) * weight for (way, _), weight in zip(ways, weights, strict=True))
    with np.errstate(invalid="ignore"):
        low, high = np.minimum(first[LOW], second[LOW]), np.maximum(first[HIGH], second[HIGH])
    return np.stack([_divide(np.asarray(total, np.float64), weights[0] + weights[1]), low, high])


def _divide(total: npt.NDArray[np.float64], count: npt.NDArray[np.int64]) -> Floats:
    return np.where(count > 0, total / np.maximum(count, 1), np.nan).astype(np.float32)
