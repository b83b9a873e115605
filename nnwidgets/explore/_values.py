"""Values inside a traced loss, at parameters and batches of one's own."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import wraps
from typing import Any, TypeVar

import jax
import jax.numpy as jnp

from nnwidgets.lint import Setup, Traced
from nnwidgets.trace import Value, is_key, values_at

Result = TypeVar("Result")


def reader(traced: Traced, wanted: Sequence[Value]) -> Callable[[Any, Any, Any, Any], list[jax.Array]]:
    """(params, state, batch, rng) -> these values of the program; pure, to be called inside `jax.jit`.

    Args:
        traced: the loss, in training or in evaluation.
        wanted: values of its program; inputs and constants may be among them.
    """
    inputs = {id(value): i for i, value in enumerate(traced.program.inputs)}
    places = {value.place for value in wanted if value.place is not None}

    def read(params: Any, state: Any, batch: Any, rng: Any) -> list[jax.Array]:
        leaves = [leaf if is_key(leaf) else jnp.asarray(leaf) for leaf in jax.tree.leaves((params, state, batch, rng))]
        found = values_at(traced.closed, leaves, places)

        def take(value: Value) -> jax.Array:
            if value.place is not None:
                return found[value.place]
            if id(value) in inputs:
                return leaves[inputs[id(value)]]
            return jnp.full(value.aval.shape, value.const, value.aval.dtype)

        return [take(value) for value in wanted]

    return read


def once_a_program(function: Callable[[Setup], Result]) -> Callable[[Setup], Result]:
    """The same function of a set-up, which keeps its result with the traced program: for what is traced and compiled.

    A session makes a set-up anew for each experiment, and traces the loss once; the result must not hold numbers.
    """
    name = f"once {function.__module__}.{function.__qualname__}"

    @wraps(function)
    def kept(setup: Setup) -> Result:
        known: dict[str, Any] = vars(setup.train.program)
        if name not in known:
            known[name] = function(setup)
        return known[name]

    return kept
