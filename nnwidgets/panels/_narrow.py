"""A reading made as narrow as the picture, so that no spike is lost and no browser drowns."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from nnwidgets.records import History, Series

from ._theme import COLUMNS

# Rows asked for at each look: enough for what comes between two refreshes of nearly every run.
RECENT = 256


@dataclass(frozen=True)
class _Groups:
    """Neighbouring rows put together: last steps (groups,), and (groups, layers) each of the rest."""

    steps: npt.NDArray[np.int64]
    total: npt.NDArray[np.float64]
    count: npt.NDArray[np.int64]
    low: npt.NDArray[np.float32]
    high: npt.NDArray[np.float32]
    bad: npt.NDArray[np.bool_]

    def join(self, other: _Groups) -> _Groups:
        return _Groups(*(np.concatenate(pair) for pair in zip(self._parts(), other._parts(), strict=True)))

    def merge(self, width: int) -> _Groups:
        """Those groups put together whose last steps lie in the same `width` steps."""
        starts = np.flatnonzero(np.diff(self.steps // width, prepend=-1))
        if len(starts) == len(self.steps):
            return self
        how = (np.maximum, np.add, np.add, np.fmin, np.fmax, np.logical_or)
        return _Groups(*(each.reduceat(part, starts) for each, part in zip(how, self._parts(), strict=True)))

    def split(self, place: int) -> tuple[_Groups, _Groups]:
        return _Groups(*(part[:place] for part in self._parts())), _Groups(*(part[place:] for part in self._parts()))

    def _parts(self) -> tuple[np.ndarray, ...]:
        return self.steps, self.total, self.count, self.low, self.high, self.bad


class Narrow:
    """At most `rows` rows of a reading: its mean, smallest and largest finite value in equal stretches of steps.

    A stretch is a power of two long and begins at a multiple of its length, so a longer run does not shift what is
    drawn already. Each look reads only the rows that came since the last one, whatever the length of the run; after a
    rewind everything is read anew.

    Args:
        rows: at most.
        cells: rows x layers, at most: where there are very many layers, the rows become fewer, but not fewer than 16.

    Attributes:
        bad: which stretches and layers, (rows, layers), hold a NaN or an infinity.
    """

    def __init__(self, rows: int = COLUMNS // 2, cells: int | None = None) -> None:
        self._rows, self._cells, self._width = rows, cells, 1
        self._name, self._newest = "", (-1, np.empty(0, np.float32))
        self._groups: _Groups | None = None
        self._series: Series | None = None
        self.bad = np.empty((0, 0), bool)

    def look(self, history: History, name: str) -> Series | None:
        """The reading as it is now, each row at the last step of its stretch; None before two rows can be drawn."""
        newest = history.latest(name)
        if newest is None:
            return None
        if name != self._name or not self._same(newest):
            recent = history.tail(name, RECENT)
            place = self._known(recent) if name == self._name else None
            if place is None:
                recent, place = history[name], 0
                self._groups, self._width = None, 1
            self._take(_rows(recent, place))
            self._name, self._newest = name, (int(recent.steps[-1]), recent.values[-1])
            self._series = self._as_series(recent)
        return self._series if self._series is not None and len(self._series) > 1 else None

    def _same(self, newest: tuple[int, npt.NDArray[np.float32]]) -> bool:
        return newest[0] == self._newest[0] and np.array_equal(newest[1], self._newest[1], equal_nan=True)

    def _known(self, recent: Series) -> int | None:
        """The place of the first row that is new, if the last one seen is among them and unchanged."""
        place = int(np.searchsorted(recent.steps, self._newest[0]))
        if place == len(recent) or not self._same((int(recent.steps[place]), recent.values[place])):
            return None
        return place + 1

    def _take(self, new: _Groups) -> None:
        if self._groups is None:
            groups = new
        else:
            # only the open stretch can change
            closed, last = self._groups.split(len(self._groups.steps) - 1)
            groups = closed.join(last.join(new).merge(self._width))
        rows = (
            self._rows if self._cells is None else min(self._rows, max(16, self._cells // max(groups.low.shape[1], 1)))
        )
        while int(groups.steps[-1] - groups.steps[0]) // self._width + 2 > rows:
            self._width *= 2
        self._groups = groups if len(groups.steps) < 2 else groups.merge(self._width)

    def _as_series(self, like: Series) -> Series:
        groups = self._groups
        assert groups is not None
        mean = np.where(groups.count > 0, groups.total / np.maximum(groups.count, 1), np.nan).astype(np.float32)
        self.bad = groups.bad
        return Series(like.name, groups.steps, like.layers, mean, groups.low, groups.high)


def _rows(series: Series, place: int) -> _Groups:
    """Each row from `place` on as a group of its own; what is not finite counts as nothing, and as bad."""
    values, low, high = (part[place:] for part in (series.values, series.low, series.high))
    finite = np.isfinite(values)
    bad = ~(np.isfinite(low) & np.isfinite(high))
    # a bucket's low and high may be NaN where its mean is not: the mean stands in for them
    known = np.where(finite, values, np.float32(np.nan))
    low, high = (edge(known, np.where(np.isfinite(part), part, np.float32(np.nan))) for edge, part in
                 ((np.fmin, low), (np.fmax, high)))  # fmt: skip
    total = np.where(finite, values, 0.0).astype(np.float64)
    return _Groups(series.steps[place:], total, finite.astype(np.int64), low, high, bad)
