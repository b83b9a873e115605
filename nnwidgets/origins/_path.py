"""From what is not finite back to the operation that began it."""

from __future__ import annotations

import heapq
from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np

from ._depends import Mask, depends
from ._tape import Step, Tape, Value

Marks = list[tuple[Value, Mask]]


@dataclass(frozen=True, eq=False)
class Begin:
    """Where it began.

    Attributes:
        step: the operation; None where an input holds it.
        masks: the elements of its outputs that are not finite and lead to the result.
        leaf: an input or constant that is not finite itself, with the elements; None where all operands were finite.
        nan: the operation that first made NaN of an infinity, if that is another one.
    """

    step: Step | None
    masks: list[Mask | None] = field(default_factory=list)
    leaf: tuple[Value, Mask] | None = None
    nan: Step | None = None


@dataclass(eq=False)
class _Found:
    """An operation on the path none of whose operands was made bad on the path."""

    index: int
    masks: list[Mask | None]
    leaves: Marks


def begin(tape: Tape, marks: Marks, region: np.ndarray, *, own_first: bool = False) -> Begin | None:
    """Where it began that these elements are not finite; None if they are.

    The first NaN on the path counts, and the infinity that it came of, if there is one.

    Args:
        tape: what ran.
        marks: values, with the elements to look at.
        region: for each operation on the tape whether to look at it; what others made is taken as given.
        own_first: whether what began inside the region comes before what was given.
    """
    nans = _bad(marks, "nan")
    if not nans:
        infinities = _bad(marks, "inf")
        return _first_infinity(tape, infinities, region, None) if infinities else None
    found, given = _walk(tape, nans, region, "nan")
    named = [each for each in given if each[0].label]
    if named and not own_first:
        return Begin(None, leaf=_largest(named))
    if not found:
        return Begin(None, leaf=given[0]) if given else None
    begins = (_first_nan(tape, each, region) for each in found)
    if not own_first:
        return next(begins)
    every = list(begins)
    return next((each for each in every if each.leaf is None), every[0])


def _first_nan(tape: Tape, first: _Found, region: np.ndarray) -> Begin:
    """What stands behind an operation that made the first NaN."""
    step = tape.steps[first.index]
    if first.leaves:
        return Begin(step, first.masks, first.leaves[0])
    operands = [
        (each, mask) for k, each in enumerate(step.inputs) if (mask := depends(step, k, first.masks)) is not None
    ]
    infinities = _bad(operands, "inf")
    if not infinities:
        return Begin(step, first.masks)
    before = _first_infinity(tape, infinities, region, step)
    return before if before.leaf is None else Begin(step, first.masks, before.leaf)


def _first_infinity(tape: Tape, marks: Marks, region: np.ndarray, nan: Step | None) -> Begin:
    found, given = _walk(tape, marks, region, "inf")
    own = [each for each in found if not each.leaves]
    if own:
        return Begin(tape.steps[own[0].index], own[0].masks, nan=nan)
    leaves = [*given, *(leaf for each in found for leaf in each.leaves)]
    named = [each for each in leaves if each[0].label]
    if named and nan is None:
        return Begin(None, leaf=_largest(named))
    if found:
        return Begin(tape.steps[found[0].index], found[0].masks, leaves[0], nan)
    return Begin(None, leaf=leaves[0], nan=nan)


def _walk(tape: Tape, marks: Marks, region: np.ndarray, kind: str) -> tuple[list[_Found], Marks]:
    """The operations where it begins, the first first, and the given values that it comes from."""
    wanted: dict[int, tuple[Value, Mask]] = {}
    ahead: list[int] = []
    given: Marks = []

    def want(value: Value, mask: Mask) -> None:
        assert value.step is not None
        if id(value) in wanted:
            wanted[id(value)] = (value, wanted[id(value)][1] | mask)
        else:
            wanted[id(value)] = (value, mask)
            heapq.heappush(ahead, -value.step)

    for value, mask in marks:
        if is_made(value, region):
            want(value, mask)
        else:
            given.append((value, mask))
    found: list[_Found] = []
    last = None
    while ahead:
        index = -heapq.heappop(ahead)
        if index == last:
            continue
        last, step = index, tape.steps[index]
        masks = [wanted[id(each)][1] if id(each) in wanted else None for each in step.outputs]
        bad = _bad(
            [(each, mask) for k, each in enumerate(step.inputs) if (mask := depends(step, k, masks)) is not None], kind
        )
        made = [each for each in bad if is_made(each[0], region)]
        leaves = [each for each in bad if not is_made(each[0], region)]
        for value, mask in made:
            want(value, mask)
        given += [each for each in leaves if each[0].label]
        if not made:
            found.append(_Found(index, masks, leaves))
    return sorted(found, key=lambda each: each.index), given


def is_made(value: Value, region: np.ndarray) -> bool:
    """Whether an operation of this region computed it."""
    return value.step is not None and not value.fixed and bool(region[value.step])


def _bad(marks: Iterable[tuple[Value, Mask]], kind: str) -> Marks:
    found = []
    for value, mask in marks:
        where = value.nan if kind == "nan" else value.inf
        if where is not None and (where & mask).any():
            found.append((value, where & mask))
    return found


def _largest(marks: Marks) -> tuple[Value, Mask]:
    """The first input, with all its elements that count."""
    value = marks[0][0]
    return value, np.logical_or.reduce([mask for each, mask in marks if each is value])


def ancestors(tape: Tape, values: Iterable[Value]) -> np.ndarray:
    """For each operation on the tape whether these values are made of it, whatever was chosen."""
    found = np.zeros(len(tape.steps), bool)
    for value in values:
        if value.step is not None:
            found[value.step] = True
    for index in range(len(tape.steps) - 1, -1, -1):
        if found[index]:
            for each in tape.steps[index].inputs:
                if each.step is not None:
                    found[each.step] = True
    return found
