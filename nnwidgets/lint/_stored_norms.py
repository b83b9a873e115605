"""Norms that use stored statistics, in evaluation: where their mean and variance are, whatever the framework."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from nnwidgets.trace import Op, Value

from ._batch_norms import batch_norms_of
from ._functions import plain
from ._once import once
from ._parts import before, constant
from ._setup import Traced


@dataclass(frozen=True, eq=False)
class StoredNorm:
    """One normalisation by statistics out of the state.

    Attributes:
        mean: what is taken away, a function of the state alone; None where it was not found.
        variance: what the root is taken of, without its epsilon.
        root: the operation that takes the square root.
        output: the first value after it that has the examples' axis.
    """

    mean: Value | None
    variance: Value
    root: Op
    output: Value


@once
def stored_norms_of(traced: Traced) -> list[StoredNorm]:
    """Those of one program that the loss depends on, in order."""
    return [norm for root in batch_norms_of(traced).roots if (norm := _read(traced, root)) is not None]


def without_epsilon(traced: Traced, value: Value) -> Value:
    """A variance before a small constant was added to it."""
    op = traced.maker(plain(traced.program, value))
    if op is not None and op.primitive == "add":
        given = [each for each in op.inputs if constant(traced.program, each) is None]
        return given[0] if len(given) == 1 else value
    return value


def _read(traced: Traced, root: Op) -> StoredNorm | None:
    output = batch_norms_of(traced).applied(root.outputs[0])
    if output is None:
        return None
    variance = without_epsilon(traced, root.inputs[0])
    mean = next((each for each in _means(traced, output, variance) if each.aval.size == variance.aval.size), None)
    return StoredNorm(mean, variance, root, output)


def _means(traced: Traced, output: Value, variance: Value) -> Iterator[Value]:
    """What is subtracted before the scaling, else the array of the state in what is added after it (Keras)."""
    scaled, taken = traced.maker(output), _states(traced, variance)
    for value in scaled.inputs if scaled is not None else ():
        op = traced.maker(plain(traced.program, value))
        if op is not None and op.primitive in ("sub", "add"):
            yield from (each for each in op.inputs if _is_kept(traced, each))
    for use in output.uses:
        op = traced.program.ops[use]
        shifts = [each for each in op.inputs if op.primitive in ("add", "sub") and not traced.fields_of(each)]
        made_by = [traced.program.ops[i] for i in sorted(before(traced.program, shifts))]
        read = [plain(traced.program, each) for op in made_by for each in op.inputs]
        yield from (each for each in read if _is_kept(traced, each) and not _states(traced, each) & taken)


def _states(traced: Traced, value: Value) -> frozenset[int]:
    """Indices of the state's arrays that a value is made of."""
    first = len(traced.parameters)
    return frozenset(i - first for i in traced.depends(value) if first <= i < first + len(traced.states))


def _is_kept(traced: Traced, value: Value) -> bool:
    """Whether it is an array made of the state alone."""
    states = _states(traced, value)
    return bool(states) and len(traced.depends(value)) == len(states)
