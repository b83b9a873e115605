"""Many short training runs beside each other, compiled as one program."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax

from nnwidgets.objective import Objective
from nnwidgets.trace import is_key
from nnwidgets.train import scale

from ._convolutions import quick_in_loops
from ._lab import Lab

# Lanes that one call of the program trains: few enough that progress is seen, and a wish to stop is heard.
CHUNK = 8


class Lane(NamedTuple):
    """One training run: what it starts from and how it goes; stacked along a new first axis, many.

    Attributes:
        params: the parameters.
        state: the model's state, or None.
        opt_state: the optimizer's state.
        key: the step's key is this one folded with the step.
        multiplier: of the learning rate: () or one a step (steps,).
        order: which of the stacked batches each step takes, (steps,) int32.
    """

    params: Any
    state: Any
    opt_state: Any
    key: jax.Array
    multiplier: Any
    order: Any


def stack(trees: Sequence[Any]) -> Any:
    """Trees of equal form as one, with a new first axis."""
    return jax.tree.map(lambda *leaves: jnp.stack([jnp.asarray(leaf) for leaf in leaves]), *trees)


@lru_cache(maxsize=32)
def trained(
    objective: Objective, tx: optax.GradientTransformation, start: int = 0
) -> Callable[[Lane, Any], tuple[jax.Array, Lane]]:
    """The function that trains one lane as a session does: the same gradient, update and keys.

    Args:
        objective: the loss.
        tx: the optimizer.
        start: the number of the first step, for its key.

    Returns:
        (lane, stacked batches) -> (loss before each step (steps,), the lane after the last one); pure, for `in_lanes`,
        `jax.vmap` or `jax.jit`. A loss that is not finite goes on as it is.
    """
    transformation = optax.with_extra_args_support(tx)

    def train(lane: Lane, batches: Any) -> tuple[jax.Array, Lane]:
        multipliers = jnp.broadcast_to(jnp.asarray(lane.multiplier, jnp.float32), lane.order.shape)
        steps = start + jnp.arange(len(lane.order), dtype=jnp.uint32)

        def step(carry: Any, given: Any) -> Any:
            params, state, opt_state = carry
            number, index, multiplier = given
            batch = jax.tree.map(lambda leaf: leaf[index], batches)
            key = jax.random.fold_in(lane.key, number)
            (loss, (state, _)), grads = jax.value_and_grad(objective, has_aux=True)(params, state, batch, key, True)
            updates, opt_state = transformation.update(grads, opt_state, params, value=loss)
            params = optax.apply_updates(params, scale(updates, multiplier))
            return (params, state, opt_state), loss.astype(jnp.float32)

        first = (lane.params, lane.state, lane.opt_state)
        (params, state, opt_state), losses = jax.lax.scan(step, first, (steps, lane.order, multipliers))
        return losses, lane._replace(params=params, state=state, opt_state=opt_state)

    return train


def in_lanes(
    function: Callable[[Any, Any], Any], lanes: Any, shared: Any, lab: Lab, what: str, *, chunk: int = CHUNK
) -> Any:
    """Call a function on each of many lanes, in one compiled program that takes a few of them at a time.

    On a CPU the lanes of one call go one after another (`jax.lax.map`), elsewhere side by side (`jax.vmap`).

    Args:
        function: (lane, shared) -> result; the same object again is not compiled again.
        lanes: a tree with the lanes along the first axis.
        shared: what all lanes see.
        lab: hears of the progress, and may end it.
        what: the lanes are, in words: "learning rates".
        chunk: lanes a call, at most; fewer where memory is short.

    Returns:
        the results along a new first axis, as NumPy arrays; of fewer lanes where the lab was stopped, and of one at least.
    """
    count = len(jax.tree.leaves(lanes)[0])
    each = sum(math.prod(leaf.shape[1:]) * leaf.dtype.itemsize for leaf in jax.tree.leaves(lanes))
    # gradients and updates come on top of what is carried
    chunk = min(chunk, count, lab.room(4 * max(each, 1)))
    run, found = _many(function), list[Any]()
    shared = jax.device_put(shared)
    for first in lab.each(range(0, count, chunk), what, of=count, at_once=chunk):
        # the last call takes lanes twice rather than have a shape of its own
        begin = max(0, min(first, count - chunk))
        part = jax.tree.map(lambda leaf, begin=begin: leaf[begin : begin + chunk], lanes)
        made = jax.tree.map(_on_host, run(part, shared))
        found.append(jax.tree.map(lambda leaf, skip=first - begin: leaf[skip:], made))
    return jax.tree.map(_joined, *found)


def _on_host(leaf: Any) -> Any:
    return leaf if is_key(leaf) else np.array(leaf)


def _joined(*parts: Any) -> Any:
    return jnp.concatenate(parts) if is_key(parts[0]) else np.concatenate(parts)


@lru_cache(maxsize=32)
def _many(function: Callable[[Any, Any], Any]) -> Callable[[Any, Any], Any]:
    if jax.default_backend() == "cpu":
        quick = quick_in_loops(function)
        return jax.jit(lambda lanes, shared: jax.lax.map(lambda lane: quick(lane, shared), lanes))
    return jax.jit(lambda lanes, shared: jax.vmap(function, (0, None))(lanes, shared))
