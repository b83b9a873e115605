"""From a traced program to the report."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import jax
import numpy as np

from nnwidgets.records import NanReport, Origin
from nnwidgets.trace import ClosedJaxpr, Finder

from ._compiled import compiled_results, first_in_compiled, is_finite
from ._custom import custom_rules
from ._path import Begin, ancestors, begin
from ._record import record
from ._tape import Tape, Value
from ._tell import Teller, marks_of
from ._values import size_in_bytes

# What the values of a program may take, in bytes.
MOST_BYTES = 4 * 2**30


@dataclass(frozen=True, eq=False)
class Question:
    """What to look into.

    Attributes:
        closed: the program, traced with its gradient where there is one.
        inputs: its inputs, flat.
        labels: what they are called.
        results: what its outputs are called; of a loss with gradients, ``"loss"`` and then the tensors.
        batch: positions of the inputs that hold one entry an example along their first axis.
        has_loss: whether the first output is a loss, and the others are its gradients.
        value: traces the forward pass alone; None where there is no other.
        layers: makes a function from an operation's stack to the paths of the layers that stand there.
    """

    closed: ClosedJaxpr
    inputs: list[Any]
    labels: list[str]
    results: list[str]
    batch: Sequence[int] = ()
    has_loss: bool = True
    value: Callable[[], ClosedJaxpr] | None = None
    layers: Callable[[], Finder] = lambda: lambda stack, scopes: ()


def locate(question: Question) -> NanReport:
    """The report.

    Raises:
        MemoryError: its values would take more than 4 GiB.
    """
    # a user who looks for a NaN may have told JAX to raise at the first one
    with jax.debug_nans(False), jax.debug_infs(False):
        return _located(question)


def _located(question: Question) -> NanReport:
    started = time.perf_counter()
    size = size_in_bytes(question.closed)
    if size > MOST_BYTES:
        raise MemoryError(
            f"the values between all operations would take {size / 2**30:.1f} GiB, at most {MOST_BYTES / 2**30:.0f} are taken: "
            "give fewer examples of the batch."
        )
    tape = record(question.closed, question.inputs, question.labels)
    notes = ["a loop was too long to be looked into; it stands as one operation"] if tape.folded else []
    if tape.uneven:
        notes.append("a loop whose examples end at their own times was not looked into; it stands as one operation")
    results = [each.array for each in tape.outputs]
    bad = _bad(results)
    if bad:
        forward, backward = _origins(question, tape)
    else:
        results = compiled_results(question.closed, question.inputs)
        bad = _bad(results)
        forward, backward = _only_compiled(question, tape, bad[0]) if bad else (None, None)
        notes += [_ONLY_COMPILED + (_NAMED if forward or backward else "")] if bad else []
    return NanReport(
        forward,
        backward,
        float(results[0]) if question.has_loss else None,
        tuple(question.results[k] for k in bad if k or not question.has_loss),
        notes=tuple(notes),
        seconds=time.perf_counter() - started,
    )


_ONLY_COMPILED = (
    "operation by operation everything is finite: the compiler joins or reorders operations so that it is not"
)
_REMEDY = (
    "the compiler may make x * (a * b) of (x * a) * b: keep what constants make together inside the range of the dtype, "
    "or part the operations by jax.lax.optimization_barrier"
)
_NAMED = "; named is the first operation after which a compiled program that ends there is not finite"


def _bad(results: list[Any]) -> list[int]:
    return [k for k, each in enumerate(results) if not is_finite(each)]


def _origins(question: Question, tape: Tape) -> tuple[Origin | None, Origin | None]:
    count = 1 if question.has_loss else len(tape.outputs)
    results, gradients = tape.outputs[:count], tape.outputs[count:]
    forward = ancestors(tape, results)
    tell = _teller(question, tape, forward)
    of_loss = begin(tape, marks_of(results), forward)
    of_gradients = begin(tape, marks_of(gradients), ~forward, own_first=of_loss is not None)
    first = None if of_loss is None else tell.origin(of_loss)
    return first, None if of_gradients is None else _backward(tape, tell, of_gradients, of_loss, forward)


def _backward(tape: Tape, tell: Teller, found: Begin, of_loss: Begin | None, forward: np.ndarray) -> Origin | None:
    """None where the gradients have it from the loss."""
    if found.leaf is None:
        return tell.origin(found)
    if of_loss is not None and (found.step is None or found.leaf[0].step is not None):
        return None
    fed = begin(tape, [found.leaf], forward)
    if found.step is None:
        return None if fed is None else tell.origin(fed)
    return tell.origin(found, None if fed is None or found.leaf[0].step is None else tell.origin(fed))


def _teller(question: Question, tape: Tape, forward: np.ndarray) -> Teller:
    batch: list[Value] = [tape.inputs[k] for k in question.batch]
    value = question.value
    return Teller(tape, forward, batch, question.layers(), lambda: {} if value is None else custom_rules(value()))


def _only_compiled(question: Question, tape: Tape, output: int) -> tuple[Origin | None, Origin | None]:
    """What is finite operation by operation, but not as the compiler arranges it."""
    step = first_in_compiled(question.closed, question.inputs, tape, output)
    if step is None:
        return None, None
    forward = ancestors(tape, tape.outputs[: 1 if question.has_loss else len(tape.outputs)])
    made = _teller(question, tape, forward).origin(Begin(step, [_all(each) for each in step.outputs]))
    origin = replace(made, kind="compiled", result="nan", count=0, remedy=_REMEDY)
    return (origin, None) if forward[tape.steps.index(step)] else (None, origin)


def _all(value: Value) -> np.ndarray | None:
    return None if value.array is None else np.ones(value.array.shape, bool)
