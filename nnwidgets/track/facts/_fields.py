"""What one field of the batches looks like, gathered batch by batch."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ._plain_value import plain

_MOST_LABELS = 1000
# Labels, or short sequences of them, rather than the pixels of a picture.
_WIDEST = 64


class Field:
    """Shape, dtype, least, greatest, mean, standard deviation and labels of all that was added.

    Mean and deviation are merged in float64 (Chan, Golub & LeVeque, 1983); numbers that are not finite are counted, and left
    out. Labels are counted in fields of whole numbers with at most 1,000 different ones, and in rows of zeros
    with a single one.

    Example:
        >>> labels = Field()
        >>> labels.add(np.array([1, 0, 1])), labels.add(np.array([1]))
        (None, None)
        >>> about = labels.facts()
        >>> about["mean"], about["labels"]
        (0.75, {'0': 1, '1': 3})
    """

    def __init__(self) -> None:
        self._shape: list[int] | None = None
        self._dtype = "not numbers"
        self._count = self._nonfinite = 0
        self._mean = self._squares = 0.0
        self._least, self._greatest = math.inf, -math.inf
        # None: not labels
        self._labels: dict[int, int] | None = {}

    def add(self, array: np.ndarray | None) -> None:
        """One batch of the field; None where it holds no numbers."""
        if array is None:
            return
        if self._shape is None:
            self._shape, self._dtype = list(array.shape), str(array.dtype)
        if not array.size or not _has_numbers(array):
            return
        # what overflows is told as infinite
        with np.errstate(all="ignore"):
            self._add_labels(array)
            self._add_numbers(array)

    def _add_numbers(self, array: np.ndarray) -> None:
        numbers = array.reshape(-1).astype(np.float64)
        # the sum of finite numbers may overflow, and each is looked at then
        if not math.isfinite(float(numbers.sum())):
            finite = numbers[np.isfinite(numbers)]
            self._nonfinite += numbers.size - finite.size
            numbers = finite
        if numbers.size:
            self._merge(numbers)

    def facts(self) -> dict[str, Any]:
        """What is known so far."""
        found: dict[str, Any] = {"shape": self._shape, "dtype": self._dtype}
        if self._count:
            deviation = math.sqrt(self._squares / self._count)
            numbers = {"min": self._least, "max": self._greatest, "mean": self._mean, "std": deviation}
            found |= {name: plain(value) for name, value in numbers.items()}
        if self._count or self._nonfinite:
            found["nonfinite"] = self._nonfinite
        if self._labels:
            found["labels"] = {str(label): self._labels[label] for label in sorted(self._labels)}
        return found

    def _merge(self, numbers: np.ndarray) -> None:
        count, mean = numbers.size, float(numbers.mean())
        self._least = min(self._least, float(numbers.min()))
        self._greatest = max(self._greatest, float(numbers.max()))
        numbers -= mean
        total, apart = self._count + count, mean - self._mean
        # not by BLAS, whose threads would wait for the cores that the run is using
        self._squares += float(np.einsum("i,i->", numbers, numbers)) + apart**2 * self._count * count / total
        self._mean += apart * count / total
        self._count = total

    def _add_labels(self, array: np.ndarray) -> None:
        if self._labels is None:
            return
        found = _labels(array)
        for label, count in found or ():
            self._labels[label] = self._labels.get(label, 0) + count
        if found is None or len(self._labels) > _MOST_LABELS:
            self._labels = None


def _has_numbers(array: np.ndarray) -> bool:
    # bfloat16 and the like are not of NumPy's own kinds
    return array.dtype.kind in "biuf" or "float" in array.dtype.name


def _labels(array: np.ndarray) -> list[tuple[int, int]] | None:
    """Labels with their counts; None where these are no labels."""
    if array.dtype.kind in "biu":
        if array.size > _WIDEST * max(len(array) if array.ndim else 1, 1):
            return None
        values, counts = np.unique(array, return_counts=True)
        return (
            list(zip(values.astype(object).tolist(), counts.tolist(), strict=True))
            if len(values) <= _MOST_LABELS
            else None
        )
    if (
        array.ndim != 2
        or not 2 <= array.shape[1] <= _MOST_LABELS
        or not _is_one_hot(array[:1])
        or not _is_one_hot(array)
    ):
        return None
    return [(label, int(count)) for label, count in enumerate(array.sum(axis=0, dtype=np.float64)) if count]


def _is_one_hot(rows: np.ndarray) -> bool:
    return bool(((rows == 0) | (rows == 1)).all() and (np.count_nonzero(rows, axis=1) == 1).all())
