"""The terms that a loss is the sum of."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from nnwidgets.trace import Op, Value, as_real

from ._functions import plain
from ._parts import constant
from ._rewritten import Rewritten
from ._setup import Setup, Traced

_MOST = 40


@dataclass(frozen=True, eq=False)
class Term:
    """One term.

    Attributes:
        parts: values and what they are multiplied by: several where one line makes several (a penalty, tensor by tensor).
        name: the user's code that makes it, or "penalty" where it is declared as one.
        line: where that stands.
        of_parameters: whether it depends on the parameters alone.
    """

    parts: tuple[tuple[Value, float], ...]
    name: str
    line: str | None
    of_parameters: bool

    @property
    def subtracted(self) -> bool:
        """Whether it is taken away from the loss."""
        return self.parts[0][1] < 0


def find_terms(setup: Setup) -> list[Term]:
    """The terms of the training loss, in the order in which they are computed; one where it is no sum."""
    traced = setup.train
    declared = next((value for path, value in traced.aux if path == ("penalty",)), None)
    found = list(_walk(traced, traced.program.outputs[0], 1.0, declared))
    if len(found) > _MOST:
        return []
    merged: dict[Any, Term] = {}
    for value, factor, op in sorted(found, key=lambda each: each[0].op or 0):
        term = _named(setup, value, factor, op, declared)
        key = (term.name, term.line, factor < 0)
        before = merged.get(key)
        merged[key] = term if before is None else replace(before, parts=(*before.parts, *term.parts))
    return list(merged.values())


def _named(setup: Setup, value: Value, factor: float, op: Op | None, declared: Value | None) -> Term:
    traced = setup.train
    line = traced.line(op)
    alone = value.trained and not value.data
    code = setup.code.get(line or "", "").strip()
    name = code if len(code) <= 60 else f"{code[:57]}..."
    if declared is not None and _is(traced, value, declared):
        name, line = "penalty", traced.line(traced.maker(value))
    elif alone:
        name = f"{name} (of the parameters alone)"
    return Term(((value, factor),), name or "the loss", line, alone)


def _walk(
    traced: Traced, value: Value, factor: float, declared: Value | None, made_by: Op | None = None
) -> Iterator[tuple[Value, float, Op | None]]:
    """Each scalar term with what it is multiplied by, and the operation that makes it."""
    value = plain(traced.program, value)
    op = traced.maker(value)
    # a number that is the same for all parameters is no term
    if constant(traced.program, value) is not None:
        return
    if op is None or value.aval.shape or op.loops or (declared is not None and _is(traced, value, declared)):
        yield value, factor, op or made_by
    elif op.primitive in ("add", "sub", "add_any"):
        signs = (1.0, -1.0 if op.primitive == "sub" else 1.0)
        for each, sign in zip(op.inputs, signs, strict=True):
            yield from _walk(traced, each, sign * factor, declared, op)
    elif op.primitive == "neg":
        yield from _walk(traced, op.inputs[0], -factor, declared, op)
    elif (scaled := _scaled(traced, op)) is not None and not scaled[0].aval.shape:
        # a penalty of strength 0 is none
        if scaled[1]:
            yield from _walk(traced, scaled[0], factor * scaled[1], declared, op)
    else:
        yield value, factor, op


def _scaled(traced: Traced, op: Op) -> tuple[Value, float] | None:
    """What is multiplied by a constant, and by which."""
    if op.primitive not in ("mul", "div") or len(op.inputs) != 2:
        return None
    left, right = op.inputs
    number = constant(traced.program, right)
    if number is not None and (number or op.primitive == "mul"):
        return left, 1 / number if op.primitive == "div" else number
    number = constant(traced.program, left)
    return (right, number) if number is not None and op.primitive == "mul" else None


def _is(traced: Traced, one: Value, other: Value) -> bool:
    return plain(traced.program, one) is plain(traced.program, other)


def values_and_gradients(setup: Setup, terms: list[Term]) -> tuple[Any, Any]:
    """Value and norm of the gradient of each term as it stands in the loss, on the first batch."""
    value_of = value_function(setup, terms)

    @jax.jit
    def look(params: Any, state: Any, batch: Any, rng: Any) -> Any:
        values, back = jax.vjp(lambda params: value_of(params, state, batch, rng), params)
        norms = []
        for i in range(len(terms)):
            (grads,) = back(jnp.zeros(len(terms), jnp.float32).at[i].set(1.0))
            squares = [jnp.sum(jnp.square(as_real(leaf).astype(jnp.float32))) for leaf in jax.tree.leaves(grads)]
            norms.append(jnp.sqrt(jnp.stack(squares).sum()))
        return values, jnp.stack(norms)

    values, norms = look(setup.params, setup.state, setup.batch, jax.random.fold_in(setup.key, 0))
    return np.asarray(values, np.float64), np.asarray(norms, np.float64)


def value_function(setup: Setup, terms: list[Term]) -> Callable[..., jax.Array]:
    """(params, state, batch, rng) -> the terms' values, as they stand in the loss."""
    inputs = {id(value): i for i, value in enumerate(setup.train.program.inputs)}
    parts = [part for term in terms for part in term.parts]
    made = [value for value, _ in parts if value.place is not None]
    rewritten = Rewritten(setup.train, noted=made)

    def run(params: Any, state: Any, batch: Any, rng: Any) -> jax.Array:
        noted = iter(rewritten(params, state, batch, rng).noted)
        given = jax.tree.leaves((params, state, batch))
        numbers = {
            id(value): next(noted) if value.place is not None else given[inputs[id(value)]] for value, _ in parts
        }
        sums = [sum(numbers[id(value)].astype(jnp.float32) * factor for value, factor in term.parts) for term in terms]
        return jnp.stack([jnp.reshape(each, ()) for each in sums])

    return run
