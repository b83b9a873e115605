"""How a loss went, in numbers that no single step decides."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from nnwidgets.records import History, UnknownReading

Floats = npt.NDArray[np.float64]

BLOCKS = 20
# Values whose pairs are compared one by one.
PAIRED = 256
# Above this a test's z-value is taken as certain: one in a thousand by chance, for each side.
CERTAIN = 3.0


@dataclass(frozen=True)
class Course:
    """A reading of the whole network, up to the first number that is not finite.

    Attributes:
        steps: int64 (rows,).
        values: float64 (rows,).
        whole: whether all of its numbers were finite.
        epoch: rows in which each batch comes once, None where it is not known.
    """

    steps: npt.NDArray[np.int64]
    values: Floats
    whole: bool
    epoch: int | None = None

    @cached_property
    def first(self) -> float:
        """The first value."""
        return float(self.values[0])

    @cached_property
    def start(self) -> float:
        """Where it began: the first value or the median of the first five, whichever is higher."""
        return max(self.first, float(np.median(self.values[:5])))

    @cached_property
    def end(self) -> float:
        """Where it is: the median of the last quarter."""
        return float(np.median(self.part(3, 4)))

    @cached_property
    def noise(self) -> float:
        """Standard deviation of a single step about the course, from neighbouring steps of the last half."""
        return noise_of(self.part(2, 4))

    @cached_property
    def scale(self) -> float:
        """What a change is compared with: the size of the first value, or the noise where that is larger."""
        return max(abs(self.start), self.noise, 1e-30)

    @cached_property
    def blocks(self) -> Floats:
        """Medians of neighbouring steps, whole epochs where there are enough of them."""
        return blocks_of(self.values, self.epoch)

    @cached_property
    def fell(self) -> bool:
        """Whether it is lower than it was, beyond what noise does and by more than a thousandth."""
        if self.end > self.start - 1e-3 * self.scale:
            return False
        fast = max(self.first - self.end, np.sqrt(3) * (float(np.median(self.values[:3])) - self.end))
        return fast > 4 * self.noise or self.falls(0, 4)

    @cached_property
    def rose(self) -> bool:
        """Whether it is higher than it was at first, beyond what noise does, and was so for all of the last quarter."""
        last = blocks_of(self.part(3, 4), self.epoch)
        return bool(last.min() > self.first + 1e-3 * self.scale) and self.end - self.first > 4 * self.noise

    def part(self, first: int, last: int) -> Floats:
        """From one quarter's begin to another's: ``part(2, 4)`` is the last half."""
        count = len(self.values)
        return self.values[first * count // 4 : last * count // 4]

    def falls(self, first: int, last: int) -> bool:
        """Whether there is a trend downwards from one quarter to another."""
        values = self.part(first, last)
        blocks, half = blocks_of(values, self.epoch), len(values) // 2
        halves = blocks_of(values[:half], self.epoch), blocks_of(values[half:], self.epoch)
        return trend(blocks) < -CERTAIN or difference(*halves) > CERTAIN

    def standard_error(self, first: int, last: int) -> float:
        """Of the mean from one quarter to another, from blocks, so that neighbouring steps may be alike."""
        means = means_of(self.part(first, last), self.epoch)
        return float(means.std(ddof=1) / np.sqrt(len(means)))


def course_of(history: History, name: str = "train/loss", steps: int = 100) -> Course:
    """The course of a reading of the whole network.

    Raises:
        UnknownReading: it was not read, or at fewer than `steps` steps.
    """
    if name not in history:
        raise UnknownReading(f"{name!r} was not read.")
    series = history[name]
    values = series.values[:, 0].astype(np.float64)
    finite = np.isfinite(values) & np.isfinite(series.low[:, 0]) & np.isfinite(series.high[:, 0])
    count = len(values) if finite.all() else int(np.argmin(finite))
    if count < steps and (count == len(values) or count < 3):
        raise UnknownReading(f"{name!r} was read at {count} steps: {steps} are needed.")
    return Course(series.steps[:count], values[:count], count == len(values), history.facts.steps_per_epoch)


def blocks_of(values: Floats, epoch: int | None = None) -> Floats:
    """Medians of about twenty blocks (means of whole epochs, where there are eight or more)."""
    if epoch and len(values) >= 8 * epoch:
        return means_of(values, epoch)
    return np.asarray(np.median(_rows(values, 1), axis=1), np.float64)


def means_of(values: Floats, epoch: int | None = None) -> Floats:
    """Means of about twenty blocks, each of whole epochs where there are eight or more."""
    return _rows(values, epoch if epoch and len(values) >= 8 * epoch else 1).mean(axis=1)


def _rows(values: Floats, unit: int) -> Floats:
    """Blocks of a multiple of `unit` as rows; what does not fill one is left out at the begin."""
    width = unit * max(1, len(values) // (BLOCKS * unit))
    return values[len(values) % width :].reshape(-1, width)


def noise_of(values: Floats) -> float:
    """Standard deviation of what is independent from one value to the next, by the median of the differences."""
    return float(1.4826 * np.median(np.abs(np.diff(values))) / np.sqrt(2)) if len(values) > 1 else 0.0


def trend(values: Floats) -> float:
    """Mann and Kendall's z: over 3 a rise that is certain, under -3 a fall; robust against any spread of the values.

    Of more than `PAIRED` values the medians of as many blocks are compared: all pairs of a long run would take seconds.
    """
    if len(values) > PAIRED:
        width = -(-len(values) // PAIRED)
        values = np.median(values[len(values) % width :].reshape(-1, width), axis=1)
    count = len(values)
    if count < 4:
        return 0.0
    signs = np.sign(values[None, :] - values[:, None])
    total = float(np.triu(signs, 1).sum())
    return float((total - np.sign(total)) / np.sqrt(count * (count - 1) * (2 * count + 5) / 18))


def difference(first: Floats, second: Floats) -> float:
    """Welch's z of how much higher the first values are: difference of means over its standard error."""
    if min(len(first), len(second)) < 2:
        return 0.0
    gap = float(first.mean() - second.mean())
    error = float(np.sqrt(first.var(ddof=1) / len(first) + second.var(ddof=1) / len(second)))
    # in float32 equal losses differ in the last bits
    return gap / max(error, 1e-6 * float(np.abs(first).max()), 1e-30)


@dataclass(frozen=True)
class Tensors:
    """A reading of each tensor or layer, where it is finite.

    Attributes:
        steps: int64 (rows,).
        layers: paths.
        values: float64 (rows, layers), NaN where it was not finite.
    """

    steps: npt.NDArray[np.int64]
    layers: tuple[str, ...]
    values: Floats

    def median(self, since: float = 0.0) -> Floats:
        """Of each layer over the rows from a share of them on; NaN where none was finite."""
        return medians(self.values[int(since * len(self.values)) :])


def tensors_of(history: History, name: str, rows: int = 5, steps: int = 20) -> Tensors:
    """A reading of each layer.

    Raises:
        UnknownReading: it was not read, or in fewer than `rows` rows or over fewer than `steps` steps.
    """
    if name not in history:
        raise UnknownReading(f"{name!r} was not read.")
    series = history[name]
    if len(series) < rows or series.steps[-1] - series.steps[0] < steps - 1:
        raise UnknownReading(f"{name!r} was read {len(series)} times: {rows} times over {steps} steps are needed.")
    values = series.values.astype(np.float64)
    return Tensors(series.steps, series.layers, np.where(np.isfinite(values), values, np.nan))


def medians(values: Floats) -> Floats:
    """Of each column without its NaN; NaN where nothing else is."""
    # NaN come last; quicker than NumPy's nanmedian
    ordered, count = np.sort(values, axis=0), np.isfinite(values).sum(axis=0)
    low, high = (
        np.take_along_axis(ordered, np.maximum(row, 0)[None], axis=0)[0] for row in ((count - 1) // 2, count // 2)
    )
    return np.where(count > 0, (low + high) / 2, np.nan)
