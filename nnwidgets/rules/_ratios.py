"""How large updates are beside the parameters."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from nnwidgets.records import History, UnknownReading

from ._course import Floats, Tensors, medians, tensors_of


def ratios_of(history: History, rows: int = 5, steps: int = 20) -> Tensors:
    """Update over parameter of each tensor; NaN for one that began at 0, as biases do.

    What grows from 0 is as large as the sum of its updates: its ratio tells how many there were, whatever the learning rate.

    Raises:
        UnknownReading: see `tensors_of`.
    """
    read = tensors_of(history, "update/ratio", rows, steps)
    return replace(read, values=np.where(began_at_zero(history, read.layers), np.nan, read.values))


def began_at_zero(history: History, layers: tuple[str, ...]) -> npt.NDArray[np.bool_]:
    """Whether each tensor was all zeros at its first reading; False where its size was not read."""
    if "parameter/norm" in history:
        size = history["parameter/norm"]
        if size.layers == layers and len(size):
            return size.low[0] == 0
    return np.zeros(len(layers), np.bool_)


def middle(values: Floats) -> float | None:
    """The median of those that are finite; None where none is."""
    known = values[np.isfinite(values)]
    return float(np.median(known)) if len(known) else None


def travelled(history: History) -> float | None:
    """How far the middle tensor went, in sizes of its own, were all steps in one direction; None where it is not known."""
    try:
        ratio = ratios_of(history, 3, 3)
    except UnknownReading:
        return None
    found = middle(ratio.median())
    return None if found is None else found * float(ratio.steps[-1] - ratio.steps[0] + 1)


def short_of_usual(history: History) -> float:
    """The least power of ten that brings the update of the middle tensor to the usual thousandth of its size; 1 if it is there.

    It is 1, too, where nothing is known or nothing moves. See the CS231n notes.
    """
    try:
        found = middle(ratios_of(history).median())
    except UnknownReading:
        return 1.0
    return 10.0 ** max(0, math.ceil(-3 - math.log10(found))) if found else 1.0


def is_warming_up(history: History) -> bool:
    """Whether the updates of the middle tensor grew twofold over the run, as a learning rate that rises makes them."""
    ratio = ratios_of(history, 3, 3)
    third = max(1, len(ratio.values) // 3)
    early, late = (medians(part) for part in (ratio.values[:third], ratio.values[-third:]))
    known = np.isfinite(early) & np.isfinite(late)
    return bool(known.any() and np.median(late[known]) > 2 * np.median(early[known]))
