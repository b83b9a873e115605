"""A table that can be appended to for ever: its newest rows in full, its older ones in buckets."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
import numpy.typing as npt

from ._buckets import HIGH, LOW, MEAN, Buckets
from ._series import Series

Floats = npt.NDArray[np.float32]

# Rows that leave the full part together, and the width of the first buckets: one reduction for all of them.
CHUNK = 16


class Columns:
    """Rows of (readings, layers), one a step, in bounded memory.

    The newest `full_steps` rows (up to 15 more) are kept one by one in a ring; what leaves it is folded into `Buckets`.
    Both parts grow by doubling up to their limit; after that memory is constant. Appending costs one row's copy.

    Args:
        what: the first half of the readings' names, e.g. ``"gradient"``.
        readings: the second halves, e.g. ``("norm", "mean")``.
        layers: the path of each column.
        full_steps: rows kept in full, rounded up to a multiple of 16.
        buckets: for the older rows, rounded up to an even number.
    """

    def __init__(
        self, what: str, readings: tuple[str, ...], layers: tuple[str, ...], full_steps: int, buckets: int
    ) -> None:
        self.what, self.readings, self.layers = what, readings, layers
        self.names = tuple(f"{what}/{reading}" for reading in readings)
        self.newest: int | None = None
        shape = (len(readings), len(layers))
        self.buckets = Buckets(shape, max(2, buckets + buckets % 2), CHUNK)
        self._limit = CHUNK * (-(-full_steps // CHUNK) + 1)
        # rows first..count-1 are in the ring, row k in slot k % capacity
        self._first = self._count = 0
        self._rows: Floats = np.empty((min(4 * CHUNK, self._limit), *shape), np.float32)
        self._steps = np.empty(len(self._rows), np.int64)

    @property
    def nbytes(self) -> int:
        """Bytes held."""
        return self._rows.nbytes + self._steps.nbytes + self.buckets.nbytes

    def append(self, step: int, values: npt.ArrayLike) -> None:
        """Add one row; a second one for the newest step takes its place.

        Raises:
            ValueError: `step` lies before the newest one.
        """
        if self.newest is not None and step <= self.newest:
            self._replace(step, values)
            return
        if self._count - self._first == len(self._rows):
            self._make_room()
        slot = self._count % len(self._rows)
        self._rows[slot] = values
        self._steps[slot] = step
        self._count += 1
        self.newest = step

    def series(self, reading: int) -> Series:
        """One reading over all rows, as copies."""
        old, recent = self.buckets, self._order(self._count)
        steps = np.concatenate([old.steps[: old.count], self._steps[recent]])
        full = self._rows[recent, reading]
        parts = [np.concatenate([old.data[kind, : old.count, reading], full]) for kind in (MEAN, LOW, HIGH)]
        return Series(self.names[reading], steps, self.layers, *parts)

    def tail(self, reading: int, rows: int) -> Series:
        """One reading over the newest `rows` of the rows kept in full, as copies."""
        recent = self._order(rows)
        full = self._rows[recent, reading]
        return Series(self.names[reading], self._steps[recent], self.layers, full, full, full)

    def latest(self, reading: int) -> tuple[int, Floats] | None:
        """The newest row of one reading, as a copy."""
        if self._count == self._first:
            return None
        slot = (self._count - 1) % len(self._rows)
        return int(self._steps[slot]), self._rows[slot, reading].copy()

    def truncate(self, step: int) -> None:
        """Drop the rows later than `step`, and the buckets that reach beyond it."""
        steps = self._steps[self._order(self._count)]
        self._count = self._first + int(np.searchsorted(steps, step, side="right"))
        self.buckets.truncate(step)
        if self._count > self._first:
            self.newest = int(self._steps[(self._count - 1) % len(self._rows)])
        else:
            self.newest = int(self.buckets.steps[self.buckets.count - 1]) if self.buckets.count else None

    def save(self) -> dict[str, Any]:
        """Everything in it, copied."""
        return copy.deepcopy(vars(self))

    def restore(self, saved: dict[str, Any]) -> None:
        """Become again what `save` gave."""
        vars(self).update(copy.deepcopy(saved))

    def pack(self) -> dict[str, npt.NDArray[np.generic]]:
        """All rows as plain arrays, copied."""
        old, recent = self.buckets, self._order(self._count)
        return {
            "rows": self._rows[recent],
            "steps": self._steps[recent],
            "bucket_data": old.data[:, : old.count].copy(),
            "bucket_steps": old.steps[: old.count].copy(),
            "bucket_rows": old.rows[: old.count].copy(),
        }

    def unpack(self, width: int, arrays: dict[str, npt.NDArray[np.generic]]) -> None:
        """Fill an empty table from what `pack` gave, and the buckets' width."""
        old = self.buckets
        old.width, old.count = width, len(arrays["bucket_steps"])
        old.reserve(old.count)
        old.data[:, : old.count] = arrays["bucket_data"]
        old.steps[: old.count] = arrays["bucket_steps"]
        old.rows[: old.count] = arrays["bucket_rows"]
        if old.count:
            self.newest = int(old.steps[old.count - 1])
        for step, row in zip(arrays["steps"].tolist(), arrays["rows"], strict=True):
            self.append(step, row)

    def _order(self, rows: int) -> npt.NDArray[np.int64]:
        return np.arange(max(self._first, self._count - rows), self._count) % len(self._rows)

    def _replace(self, step: int, values: npt.ArrayLike) -> None:
        if step != self.newest:
            raise ValueError(
                f"{self.names[0]!r} was already read at step {self.newest}, so step {step} comes too late: "
                f"steps must ascend. After going back, call history.truncate({step - 1}) first."
            )
        if self._count > self._first:
            self._rows[(self._count - 1) % len(self._rows)] = values

    def _make_room(self) -> None:
        capacity = len(self._rows)
        if capacity < self._limit:
            grown = np.empty((min(2 * capacity, self._limit), *self._rows.shape[1:]), np.float32)
            grown[:capacity] = self._rows
            self._rows, self._steps = grown, np.resize(self._steps, len(grown))
            return
        start = self._first % capacity
        self.buckets.fold(int(self._steps[start + CHUNK - 1]), self._rows[start : start + CHUNK])
        self._first += CHUNK
