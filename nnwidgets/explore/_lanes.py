"""Many short training runs beside each other, compiled as one program."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import numpy.typing as npt
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
        start: number of the first step, for its key.
    """

    params: Any
    state: Any
    opt_state: Any
    key: jax.Array
    multiplier: Any
    order: Any
    start: Any = 0


def stack(trees: Sequence[Any]) -> Any:
    """Trees of equal form as one, with a new first axis."""
    return jax.tree.map(lambda *leaves: jnp.stack([jnp.asarray(leaf) for leaf in leaves]), *trees)


def stacked(batches: Sequence[Any]) -> Any:
    """Batches of one shape along a new first axis, NumPy."""
    return jax.tree.map(lambda *leaves: np.stack(leaves), *batches)


def orders(count: int, steps: int, batches: int) -> npt.NDArray[np.int32]:
    """Which batch each step takes, (count, steps): first as they come, then in other orders of the same ones.

    Example:
        >>> orders(2, 4, 2)[0].tolist()
        [0, 1, 0, 1]
    """
    passes = -(-steps // batches)
    found = [np.tile(np.arange(batches), passes)]
    for seed in range(1, count):
        rng = np.random.default_rng(seed)
        found.append(np.concatenate([rng.permutation(batches) for _ in range(passes)]))
    return np.stack(found)[:, :steps].astype(np.int32)


class Step(NamedTuple):
    """What one step gave.

    Attributes:
        carry: (parameters, state of the model, state of the optimizer) after it.
        loss: before it, ().
        grads: as the loss gives them.
        updates: what was added to the parameters.
    """

    carry: tuple[Any, Any, Any]
    loss: jax.Array
    grads: Any
    updates: Any


def one_step(
    objective: Objective,
    tx: optax.GradientTransformation,
    carry: tuple[Any, Any, Any],
    batch: Any,
    key: jax.Array,
    multiplier: Any,
    change: Callable[[Any], Any] = lambda grads: grads,
) -> Step:
    """One step as a session makes it; pure.

    Args:
        objective: the loss.
        tx: the optimizer.
        carry: (parameters, state of the model, state of the optimizer).
        batch: of this step.
        key: likewise.
        multiplier: of the learning rate.
        change: what becomes of the gradients before the optimizer sees them.
    """
    params, state, opt_state = carry
    (loss, (state, _)), grads = jax.value_and_grad(objective, has_aux=True)(params, state, batch, key, True)
    update = optax.with_extra_args_support(tx).update
    updates, opt_state = update(change(grads), opt_state, params, value=loss)
    updates = scale(updates, multiplier)
    return Step((optax.apply_updates(params, updates), state, opt_state), loss, grads, updates)


@lru_cache(maxsize=32)
def trained(objective: Objective, tx: optax.GradientTransformation) -> Callable[[Lane, Any], tuple[jax.Array, Lane]]:
    """The function that trains one lane as a session does: the same gradient, update and keys.

    Args:
        objective: the loss.
        tx: the optimizer.

    Returns:
        (lane, stacked batches) -> (loss before each step (steps,), the lane after the last one); pure, for `in_lanes`,
        `jax.vmap` or `jax.jit`. A loss that is not finite goes on as it is.
    """

    def train(lane: Lane, batches: Any) -> tuple[jax.Array, Lane]:
        multipliers = jnp.broadcast_to(jnp.asarray(lane.multiplier, jnp.float32), lane.order.shape)
        steps = jnp.asarray(lane.start, jnp.uint32) + jnp.arange(len(lane.order), dtype=jnp.uint32)

        def step(carry: Any, given: Any) -> Any:
            number, index, multiplier = given
            batch = jax.tree.map(lambda leaf: leaf[index], batches)
            made = one_step(objective, tx, carry, batch, jax.random.fold_in(lane.key, number), multiplier)
            return made.carry, made.loss.astype(jnp.float32)

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
