"""Everything that was read during a run."""

from __future__ import annotations

import difflib
import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from . import _frames
from ._columns import Columns
from ._facts import Facts
from ._histogram import Histogram
from ._results import Results
from ._series import Series

WHOLE = ("",)
# Branches kept.
BRANCHES = 20


class UnknownReading(KeyError):
    """No such reading was recorded; the text names the closest ones."""

    def __str__(self) -> str:
        return str(self.args[0])


class Table:
    """The fast way in: writes several readings of the same layers with one copy."""

    def __init__(self, history: History, columns: Columns) -> None:
        self._history, self._columns = history, columns

    def add(self, step: int, values: npt.NDArray[np.float32]) -> None:
        """Add one row.

        Args:
            step: after how many updates; not before the newest one of this table.
            values: (readings, layers), copied.
        """
        history = self._history
        with history.lock:
            self._columns.append(step, values)
            history.version += 1
            if history.listener is not None:
                history.listener(self._columns, step, values)


@dataclass(frozen=True)
class Branch:
    """How a run went before it was rewound and went another way.

    Attributes:
        step: where the ways part.
        loss: ``train/loss`` from there on.
    """

    step: int
    loss: Series


class History(Results):
    """Everything that was read during a run, in bounded memory.

    Each reading keeps its newest `full_steps` rows one by one and the older ones in at most `buckets` buckets of
    neighbouring rows, whose mean, smallest and largest value stay (see `Series`). When all buckets are full they merge
    in pairs. With the defaults, the default statistics of 100 tensors (22 readings each) take at most 91 MB, after
    10,000,000 steps as after 100,000. A NaN or infinity stays visible: see `Series`. Only the newest and the first
    histogram of each name are kept.

    Another thread may read while the loop writes: every read returns copies, taken under a lock.

    Args:
        full_steps: rows kept one by one.
        buckets: for all older rows together.

    Attributes:
        version: counts the additions and truncations; unchanged means that nothing is new.
        facts: what was known before the first step.
        branches: the ways that a rewound run did not go again, oldest first.
        listener: told of each row that is added, with its `Columns`, in the thread that adds it; None: nobody is.
        turns: counts the rewinds and branches.

    Example:
        >>> history = History()
        >>> history.add_scalar("train/loss", 0, 2.3)
        >>> history.add("gradient", 0, ("Dense_0/kernel", "Dense_0/bias"), {"norm": [0.5, 0.1]})
        >>> history["gradient/norm"]
        Series('gradient/norm', steps 0 to 0, 1 rows x 2 layers)
        >>> history.names()
        ('gradient/norm', 'train/loss')
        >>> [name for name in history if name.startswith("train/")]
        ['train/loss']
    """

    def __init__(self, full_steps: int = 4096, buckets: int = 2048) -> None:
        if full_steps < 1 or buckets < 2:
            raise ValueError(f"full_steps must be 1 or more and buckets 2 or more; got {full_steps} and {buckets}.")
        super().__init__()
        self.full_steps, self.buckets = full_steps, buckets
        self._columns: dict[str, tuple[Columns, int]] = {}
        self._histograms: dict[str, tuple[Histogram, Histogram]] = {}
        self.branches: tuple[Branch, ...] = ()
        self._whole: list[Any] | None = None
        self.listener: Callable[[Columns, int, npt.NDArray[np.float32]], None] | None = None
        self.turns = 0
        self.facts = Facts()

    def add(self, what: str, step: int, layers: tuple[str, ...], readings: Mapping[str, npt.ArrayLike]) -> None:
        """Add readings of some layers at one step: ``readings[name]`` has one value a layer."""
        for reading, values in readings.items():
            self.table(what, (reading,), layers).add(step, np.asarray(values, np.float32).reshape(1, len(layers)))

    def add_scalar(self, name: str, step: int, value: float) -> None:
        """Add a reading of the whole network, such as ``train/loss``; its one column is ``""``."""
        what, _, reading = name.rpartition("/")
        if not what:
            raise ValueError(f"A reading is named '<what>/<reading>', e.g. 'log/{name}'; got {name!r}.")
        self.table(what, (reading,), WHOLE).add(step, np.full((1, 1), value, np.float32))

    def add_histogram(self, histogram: Histogram) -> None:
        """Keep it as the newest of its name, and as the first one if there was none."""
        with self.lock:
            first, _ = self._histograms.get(histogram.name, (histogram, histogram))
            self._histograms[histogram.name] = (first, histogram)
            self.version += 1

    def table(self, what: str, readings: tuple[str, ...], layers: tuple[str, ...]) -> Table:
        """The writer for some readings of the same layers; made at the first call.

        Raises:
            ValueError: one of them is recorded already, with other layers or in another company of readings.
        """
        found = self._columns.get(f"{what}/{readings[0]}")
        columns = found[0] if found else self.new_columns(what, readings, layers)
        if columns.readings != readings or columns.layers != layers:
            raise ValueError(_mismatch(columns, readings, layers))
        return Table(self, columns)

    def __getitem__(self, name: str) -> Series:
        columns, reading = self._find(name)
        with self.lock:
            return columns.series(reading)

    def __contains__(self, name: object) -> bool:
        return name in self._columns

    def __iter__(self) -> Iterator[str]:
        return iter(self.names())

    def names(self) -> tuple[str, ...]:
        """The readings recorded so far, sorted; histograms are not among them."""
        with self.lock:
            return tuple(sorted(self._columns))

    def tail(self, name: str, rows: int) -> Series:
        """The newest `rows` rows of a reading, at most those kept in full: cheap, whatever the length of the run."""
        columns, reading = self._find(name)
        with self.lock:
            return columns.tail(reading, rows)

    def latest(self, name: str) -> tuple[int, npt.NDArray[np.float32]] | None:
        """The step and the values (layers,) of a reading's newest row; None if there is none (yet)."""
        found = self._columns.get(name)
        if found is None:
            return None
        with self.lock:
            return found[0].latest(found[1])

    def histogram(self, name: str, *, first: bool = False) -> Histogram | None:
        """The newest (or the first) histogram of this name; None if there is none yet."""
        kept = self._histograms.get(name)
        return None if kept is None else kept[0 if first else 1]

    def truncate(self, step: int) -> None:
        """Forget what is later than `step`, as a rewind does; a bucket that reaches beyond it goes as a whole."""
        with self.lock:
            for columns in self.tables():
                columns.truncate(step)
            kept = {name: pair for name, pair in self._histograms.items() if pair[0].step <= step}
            self._histograms = {name: (old, new if new.step <= step else old) for name, (old, new) in kept.items()}
            self._gradient_reports = [each for each in self._gradient_reports if each.step <= step]
            self._nan_reports = [each for each in self._nan_reports if (each.step or 0) <= step]
            self.version += 1

    @property
    def histograms(self) -> tuple[Histogram, ...]:
        """The first and the newest of each name, one after the other."""
        return tuple(each for pair in self._histograms.values() for each in pair)

    def rewind(self, step: int) -> None:
        """Show what was known at `step`; what is later stays, for a rewind to a later step, until `branch`."""
        with self.lock:
            self.turns += 1
            tables = self.tables()
            if self._whole is None:
                kept = dict(self._histograms), list(self._gradient_reports), list(self._nan_reports)
                self._whole = [{id(columns): columns.save() for columns in tables}, *kept]
            saved, histograms, gradient_reports, nan_reports = self._whole
            for columns in tables:
                if id(columns) in saved:
                    columns.restore(saved[id(columns)])
            self._histograms = dict(histograms)
            self._gradient_reports, self._nan_reports = list(gradient_reports), list(nan_reports)
            self.truncate(step)

    @property
    def looking_back(self) -> bool:
        """Whether it shows what was known at an earlier step, with later ones kept back."""
        return self._whole is not None

    def branch(self, step: int) -> None:
        """The run goes another way from `step` on: keep the loss of the old one, and forget the rest."""
        with self.lock:
            self.turns += 1
            if self._whole is not None:
                self.rewind(np.iinfo(np.int64).max)
                self._whole = None
            if "train/loss" in self:
                loss = self["train/loss"]
                later = loss.steps >= step
                parts = [each[later] for each in (loss.values, loss.low, loss.high)]
                gone = Series(loss.name, loss.steps[later], loss.layers, *parts)
                if len(gone):
                    self.branches = (*self.branches, Branch(step, gone))[-BRANCHES:]
                    self.truncate(step - 1)

    @property
    def nbytes(self) -> int:
        """Bytes held by the readings; histograms come on top (two of each name)."""
        with self.lock:
            return sum(columns.nbytes for columns in self.tables())

    def to_pandas(self, name: str | None = None) -> Any:
        """A DataFrame with index ``step``: of one reading (a column a layer), or of all (columns ``(reading, layer)``).

        Raises:
            ImportError: pandas is missing.
        """
        if name is not None:
            return _frames.frame(self[name])
        return _frames.frames([self[each] for each in self.names()])

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Write everything as one ``.npz``, atomically, without pickles; needs as much memory again meanwhile.

        The graph, looks and experiments are not written.
        """
        from ._history_file import write

        return write(self, path)

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> History:
        """Read what `save` wrote; it can be appended to."""
        from ._history_file import read

        return read(path)

    def take_over(self, other: History) -> None:
        """Hold what another one holds, which is not to be used any more. Writers that were made before write nowhere."""
        with self.lock:
            for name in (
                "_columns",
                "_histograms",
                "_gradient_reports",
                "_nan_reports",
                "branches",
                "_whole",
                "_checks",
                "_explorations",
                "fork",
            ):
                setattr(self, name, getattr(other, name))
            self.full_steps, self.buckets = other.full_steps, other.buckets
            self.version += 1

    def __repr__(self) -> str:
        steps = [columns.newest for columns in self.tables() if columns.newest is not None]
        return f"History({len(self._columns)} readings, {f'up to step {max(steps)}' if steps else 'no steps yet'})"

    def tables(self) -> list[Columns]:
        """The tables of all readings, as they are; for whoever writes them down under the lock."""
        # list(): another thread may add a table meanwhile
        return [columns for columns, reading in list(self._columns.values()) if reading == 0]

    def new_columns(self, what: str, readings: tuple[str, ...], layers: tuple[str, ...]) -> Columns:
        """An empty table; for whoever fills it from a file."""
        columns = Columns(what, readings, layers, self.full_steps, self.buckets)
        for name in columns.names:
            if name in self._columns:
                raise ValueError(_mismatch(self._columns[name][0], readings, layers))
        with self.lock:
            self._columns |= {name: (columns, reading) for reading, name in enumerate(columns.names)}
        return columns

    def _find(self, name: str) -> tuple[Columns, int]:
        found = self._columns.get(name)
        if found is not None:
            return found
        if name in self._histograms:
            raise UnknownReading(f"{name!r} is a histogram: type history.histogram({name!r}).")
        names = self.names()
        if not names:
            raise UnknownReading(f"No reading {name!r}: nothing has been recorded yet. Run some steps first.")
        close = difflib.get_close_matches(name, names, n=3, cutoff=0.5)
        hint = f"Did you mean {' or '.join(map(repr, close))}?" if close else f"Recorded are: {', '.join(names)}."
        raise UnknownReading(f"No reading {name!r} was recorded. {hint}")


def _mismatch(columns: Columns, readings: tuple[str, ...], layers: tuple[str, ...]) -> str:
    if columns.layers != layers:
        there, here = sorted(set(columns.layers) - set(layers)), sorted(set(layers) - set(columns.layers))
        return (
            f"{columns.names} are recorded for {len(columns.layers)} layers and now came for {len(layers)}: missing "
            f"{there[:3]}, new {here[:3]}. A reading keeps its layers; give the other model its own History."
        )
    return (
        f"{columns.names} are recorded together; {readings} of {columns.what!r} overlap with them but differ. "
        f"Write the same readings each time, or choose another name."
    )
