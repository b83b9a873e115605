"""Running a program once, and writing down what it did."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from nnwidgets.trace import (
    ClosedJaxpr,
    Frame,
    call_body,
    ends_by_example,
    frames,
    is_literal,
    is_transposed,
    scan_counts,
    scopes,
)

from ._tape import MOVES, SLICE, STACK, Step, Tape, Value
from ._values import MOVED, Values, evaluate, evaluate_loop

# Unrolled operations of loops, in all; beyond, a loop stands as one operation.
_MOST = 400_000


@dataclass(frozen=True)
class _Place:
    values: Values
    address: tuple[int, ...] = ()
    times: tuple[int, ...] = ()
    stack: tuple[Frame, ...] = ()
    scopes: tuple[str, ...] = ()
    transposed: bool = False

    def into(self, which: int, time: int | None = None) -> _Place:
        times = self.times if time is None else (*self.times, time)
        return _Place(self.values, (*self.address, which), times, self.stack, self.scopes, self.transposed)


def record(closed: ClosedJaxpr, inputs: list[Any], labels: list[str]) -> Tape:
    """Run the program once and write down what it did.

    Args:
        closed: the program.
        inputs: its inputs, flat.
        labels: what to call them.
    """
    tape = Tape([Value(label=label, _array=_host(each)) for label, each in zip(labels, inputs, strict=True)])
    tape.outputs = _play(tape, closed, tape.inputs, _Place(evaluate(closed, inputs)))
    return tape


def _play(tape: Tape, closed: ClosedJaxpr, inputs: list[Value], place: _Place) -> list[Value]:
    env: dict[Any, Value] = dict(zip(closed.jaxpr.invars, inputs, strict=True))
    for var, const in zip(closed.jaxpr.constvars, closed.consts, strict=True):
        env[var] = Value(fixed=True, _array=_host(const))

    def read(atom: Any) -> Value:
        return Value(fixed=True, _array=np.asarray(atom.val, atom.aval.dtype)) if is_literal(atom) else env[atom]

    for i, eqn in enumerate(closed.jaxpr.eqns):
        values = [read(atom) for atom in eqn.invars]
        here = _Place(
            place.values,
            (*place.address, i),
            place.times,
            place.stack + frames(eqn),
            place.scopes + scopes(eqn),
            place.transposed or is_transposed(eqn),
        )
        outputs = _run(tape, eqn, values, here)
        env.update(zip(eqn.outvars, outputs, strict=True))
    return [read(atom) for atom in closed.jaxpr.outvars]


def _run(tape: Tape, eqn: Any, values: list[Value], here: _Place) -> list[Value]:
    body = call_body(eqn)
    if body is not None:
        return _play(tape, body, values, here.into(0))
    name = eqn.primitive.name
    if name == "cond":
        assert values[0].array is not None
        taken = int(np.clip(int(values[0].array), 0, len(eqn.params["branches"]) - 1))
        return _play(tape, eqn.params["branches"][taken], values[1:], here.into(taken))
    if name == "scan":
        body, length = eqn.params["jaxpr"], eqn.params["length"]
        if len(tape.steps) + length * len(body.jaxpr.eqns) <= _MOST:
            return _scan(tape, eqn, values, here)
        tape.folded += 1
    outputs = _append(tape, name, eqn, values, here, len(eqn.outvars))
    if name == "while" and any(each.nan is not None or each.inf is not None for each in outputs):
        return _while(tape, eqn, values, here) or outputs
    return outputs


def _append(tape: Tape, kind: str, eqn: Any, inputs: list[Value], here: _Place, count: int) -> list[Value]:
    fixed = kind in MOVES and all(each.fixed for each in inputs)
    outputs = [
        Value(len(tape.steps), fixed=fixed, _values=here.values, _key=(here.address, k), _times=here.times)
        for k in range(count)
    ]
    if kind in MOVED:
        outputs = [Value(len(tape.steps), fixed=fixed, _moved=(inputs[0], eqn))]
    tape.steps.append(
        Step(kind, eqn, inputs, outputs, here.address, here.times, here.stack, here.scopes, here.transposed)
    )
    return outputs


def _scan(tape: Tape, eqn: Any, values: list[Value], here: _Place) -> list[Value]:
    body, length = eqn.params["jaxpr"], eqn.params["length"]
    n_constants, n_carry = scan_counts(eqn)
    constants, carry = values[:n_constants], values[n_constants : n_constants + n_carry]
    stacked: list[list[Value]] = [[Value()] * length for _ in eqn.outvars[n_carry:]]
    for time in reversed(range(length)) if eqn.params["reverse"] else range(length):
        sliced = [_border(tape, SLICE, eqn, [each], here, time) for each in values[n_constants + n_carry :]]
        results = _play(tape, body, [*constants, *carry, *sliced], here.into(0, time))
        carry = results[:n_carry]
        for k, each in enumerate(results[n_carry:]):
            stacked[k][time] = each
    return [
        *carry,
        *(_border(tape, STACK, eqn, each, here, None, n_carry + k) for k, each in enumerate(stacked)),
    ]


def _border(
    tape: Tape, kind: str, eqn: Any, inputs: list[Value], here: _Place, time: int | None, output: int = 0
) -> Value:
    """What goes into an iteration, or comes out of them all."""
    if time is None:
        made = Value(len(tape.steps), _values=here.values, _key=(here.address, output), _times=here.times)
        times = here.times
    else:
        whole = inputs[0].array
        made = Value(len(tape.steps), fixed=inputs[0].fixed, _array=None if whole is None else whole[time])
        times = (*here.times, time)
    tape.steps.append(Step(kind, eqn, inputs, [made], here.address, times, here.stack, here.scopes, here.transposed))
    return made


def _while(tape: Tape, eqn: Any, values: list[Value], here: _Place) -> list[Value] | None:
    """The loop's outputs, unrolled; None if it is too long, needs what is no array, or ends at another time by example."""
    inputs = [each.array for each in values]
    if any(each is None for each in inputs):
        return None
    if ends_by_example(eqn):
        tape.uneven += 1
        return None
    inner, length = evaluate_loop(eqn, inputs)
    body, tested, constants = eqn.params["body_jaxpr"], eqn.params["cond_nconsts"], eqn.params["body_nconsts"]
    if len(tape.steps) + length * len(body.jaxpr.eqns) > _MOST:
        tape.folded += 1
        return None
    tape.steps.pop()
    for_body, carry = values[tested : tested + constants], values[tested + constants :]
    for time in range(length):
        place = _Place(inner, (), (time,), here.stack, here.scopes, here.transposed)
        carry = _play(tape, body, [*for_body, *carry], place)
    return carry


def _host(value: Any) -> np.ndarray | None:
    """On the host; None for a random key."""
    dtype = getattr(value, "dtype", None)
    if dtype is not None and jnp.issubdtype(dtype, jax.dtypes.extended):
        return None
    return np.asarray(value)
