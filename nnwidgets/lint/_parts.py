"""Parts of a flat program: what a value is made by, what is made of it, and its number where it is small."""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from nnwidgets.trace import Program, Value, bind, is_key

from ._functions import plain
from ._setup import Array, Setup, Traced

# Operations in a part that is computed by itself; masks and indices have a few.
_MOST = 100
_ARITHMETIC: dict[str, Callable[..., Any]] = {
    "add": operator.add,
    "sub": operator.sub,
    "mul": operator.mul,
    "div": operator.truediv,
    "neg": operator.neg,
}


def before(program: Program, values: Iterable[Value]) -> frozenset[int]:
    """Indices of the operations that these values are made by, directly or not."""
    waiting, reached = list(values), set[int]()
    while waiting:
        value = waiting.pop()
        waiting += value.via
        if value.op is not None and value.op not in reached:
            reached.add(value.op)
            waiting += program.ops[value.op].inputs
    return frozenset(reached)


def after(program: Program, values: Iterable[Value]) -> frozenset[int]:
    """Indices of the operations that are made of these values, directly or not."""
    starts, reached = set(map(id, values)), set[int]()

    def is_made(value: Value) -> bool:
        made = id(value) in starts or (value.op is not None and value.op in reached)
        return made or any(is_made(outer) for outer in value.via)

    for i, op in enumerate(program.ops):
        if any(is_made(value) for value in op.inputs):
            reached.add(i)
    return frozenset(reached)


def constant(program: Program, value: Value) -> float | None:
    """The number of a value that is one constant all over, through plain arithmetic; None where it is none.

    Rounding is left out of account: ``1 - 0.2`` is 0.8, whatever float32 makes of it.
    """
    value = plain(program, value)
    if value.const is not None or value.op is None:
        return value.const
    op = program.ops[value.op]
    numbers = [constant(program, each) for each in op.inputs] if op.primitive in _ARITHMETIC else [None]
    if None in numbers or (op.primitive == "div" and numbers[1] == 0):
        return None
    return _ARITHMETIC[op.primitive](*numbers)


def numbers(traced: Traced, value: Value, batches: Sequence[Any]) -> list[Array]:
    """What a value that depends on the batch alone is on each of these batches."""
    compiled = _alone(traced, value)
    if compiled is None:
        return [traced.values([value], batch)[0] for batch in batches]
    return [np.asarray(compiled(*map(jnp.asarray, jax.tree.leaves(batch)))) for batch in batches]


def _alone(traced: Traced, value: Value) -> Any:
    """The few operations that make a value from the batch, compiled by themselves; None where it needs more."""
    indices = sorted(before(traced.program, [value]))
    ops = [traced.program.ops[i] for i in indices]
    made = {id(each) for op in ops for each in op.outputs}
    given = set(map(id, traced.fields))
    inputs = [each for op in ops for each in op.inputs] or [value]
    known = all(id(each) in made or id(each) in given or each.const is not None for each in inputs)
    if not known or len(ops) > _MOST or any(op.is_loop or op.loops for op in ops):
        return None

    def run(*leaves: Any) -> Any:
        env: dict[int, Any] = dict(zip(map(id, traced.fields), leaves, strict=True))
        for op in ops:
            read = [env[id(v)] if id(v) in env else jnp.full(v.aval.shape, v.const, v.aval.dtype) for v in op.inputs]
            env.update(zip(map(id, op.outputs), bind(op.eqn, read), strict=True))
        return env[id(value)]

    return jax.jit(run)


def captured(setup: Setup, leaf: int) -> bool:
    """Whether the program holds an array from outside the loss that is the same as a parameter, number for number."""
    values = np.asarray(jax.tree.leaves(setup.params)[leaf])
    if values.size < 2 or (values == values.flat[0]).all():
        return False
    same = (
        np.asarray(each) for each in setup.train.closed.consts if jnp.shape(each) == values.shape and not is_key(each)
    )
    return any(each.dtype == values.dtype and np.array_equal(each, values) for each in same)
