"""Which examples of the batch some elements are made of."""

from __future__ import annotations

import heapq
from collections.abc import Sequence

import numpy as np

from ._depends import depends
from ._path import Marks
from ._tape import Tape, Value


def rows_behind(tape: Tape, marks: Marks, batch: Sequence[Value]) -> tuple[int, ...] | None:
    """The examples that these elements are made of.

    Args:
        tape: what ran.
        marks: values, with their elements.
        batch: the inputs that hold one entry an example along their first axis.

    Returns:
        their indices; None if that cannot be told: elements are made of all examples, as behind a batch statistic, or of none.
    """
    sizes = {each.array.shape[0] for each in batch if each.array is not None and each.array.ndim}
    if len(sizes) != 1:
        return None
    size = sizes.pop()
    first = [(value, _first(mask)) for value, mask in marks]
    if size > 1 and _rows(tape, first, batch, size).all():
        return _leading(marks, size)
    rows = _rows(tape, marks, batch, size)
    return tuple(int(row) for row in np.flatnonzero(rows)) if rows.any() else None


def _leading(marks: Marks, size: int) -> tuple[int, ...] | None:
    """By the first axis, where examples are mixed but the elements still lie in some of as many rows."""
    found = np.zeros(size, bool)
    for value, mask in marks:
        if value.array is not None and value.array.ndim and value.array.shape[0] == size and not value.label:
            found |= mask.reshape(size, -1).any(axis=1)
    return tuple(int(row) for row in np.flatnonzero(found)) if found.any() and not found.all() else None


def _first(mask: np.ndarray) -> np.ndarray:
    found = np.zeros(mask.shape, bool)
    if mask.any():
        found.reshape(-1)[np.flatnonzero(mask)[0]] = True
    return found


def _rows(tape: Tape, marks: Marks, batch: Sequence[Value], size: int) -> np.ndarray:
    wanted: dict[int, np.ndarray] = {}
    ahead: list[int] = []
    rows = np.zeros(size, bool)
    leaves = {id(each) for each in batch}

    def want(value: Value, mask: np.ndarray) -> None:
        if id(value) in leaves:
            rows[:] |= mask.reshape(size, -1).any(axis=1)
        elif value.step is not None and not value.fixed:
            if id(value) in wanted:
                wanted[id(value)] = wanted[id(value)] | mask
            else:
                wanted[id(value)] = mask
                heapq.heappush(ahead, -value.step)

    for value, mask in marks:
        want(value, mask)
    last = None
    while ahead and not rows.all():
        index = -heapq.heappop(ahead)
        if index == last:
            continue
        last, step = index, tape.steps[index]
        masks = [wanted.pop(id(each), None) for each in step.outputs]
        for k, each in enumerate(step.inputs):
            mask = depends(step, k, masks)
            if mask is not None:
                want(each, mask)
    return rows
