"""Training with a look at each step's gradient: its norm, and what a bound would do to it."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax

from nnwidgets.objective import Objective

from .._convolutions import quick_in_loops
from .._lab import Lab
from .._lanes import one_step, stacked

# Steps that one call makes, and halvings of the interval in which a bound on coordinates is looked for.
_PIECE, _HALVINGS = 25, 30


class Course(NamedTuple):
    """Readings of each step, (steps,).

    Attributes:
        losses: before the step.
        norms: of the whole gradient, before any clipping.
        updates: norms of the updates, the learning rate in them.
        values: a bound on coordinates that takes as much of the norm away as the bound that is looked at.
        cut: share of the coordinates that it cuts.
        cosines: between the gradient before and after it.
        left: norms after it.
    """

    losses: Any
    norms: Any
    updates: Any
    values: Any
    cut: Any
    cosines: Any
    left: Any


def course(
    lab: Lab, tx: Any, steps: int, *, clip: float = np.inf, bound: float = np.inf, value: float = np.inf
) -> Course:
    """Train from the present state on the coming batches, in pieces between which the lab may stop it.

    Args:
        lab: of the run.
        tx: the optimizer, whose state is the run's.
        steps: how many, rounded up to whole pieces.
        clip: gradients are clipped to this norm before the optimizer sees them; inf for not at all.
        bound: of the norm, that a bound on coordinates is compared with.
        value: that bound itself; inf where it is to be found from `bound`.
    """
    batches = lab.fresh(min(steps, len(lab.batches)))
    shared, found = stacked(batches), list[Course]()
    piece = min(_PIECE, steps)
    carry = (lab.params, lab.state, lab.opt_state)
    numbers = jnp.asarray([clip, bound, value, lab.multiplier], jnp.float32)
    run, pieces = _run(lab.objective, tx), -(-steps // piece)
    for k in lab.each(range(pieces), "steps", of=pieces * piece, at_once=piece):
        order = (np.arange(k * piece, (k + 1) * piece) % len(batches)).astype(np.int32)
        carry, readings = run(carry, shared, order, lab.key, np.uint32(lab.step + k * piece), numbers)
        found.append(jax.tree.map(lambda leaf: np.asarray(leaf, np.float64), readings))
    return Course(*(np.concatenate(parts) for parts in zip(*found, strict=True)))


@lru_cache(maxsize=8)
def _run(objective: Objective, tx: optax.GradientTransformation) -> Callable[..., Any]:
    @jax.jit
    @quick_in_loops
    def run(carry: Any, batches: Any, order: Any, key: Any, start: Any, numbers: Any) -> Any:
        clip, bound, value, multiplier = numbers

        def clipped(grads: Any) -> Any:
            norm = _norm(grads)
            factor = jnp.where(norm > clip, clip / norm, 1.0)
            return jax.tree.map(lambda leaf: leaf * factor.astype(leaf.dtype), grads)

        def step(carry: Any, given: Any) -> Any:
            number, index = given
            batch, rng = jax.tree.map(lambda leaf: leaf[index], batches), jax.random.fold_in(key, number)
            made = one_step(objective, tx, carry, batch, rng, multiplier, clipped)
            norm = _norm(made.grads)
            readings = Course(made.loss, norm, _norm(made.updates), *_by_value(made.grads, norm, bound, value))
            return made.carry, jax.tree.map(lambda leaf: leaf.astype(jnp.float32), readings)

        numbered = start + jnp.arange(len(order), dtype=jnp.uint32)
        return jax.lax.scan(step, carry, (numbered, order))

    return run


def _norm(tree: Any) -> jax.Array:
    return jnp.sqrt(sum(jnp.sum(jnp.square(jnp.abs(leaf).astype(jnp.float32))) for leaf in jax.tree.leaves(tree)))


def _by_value(grads: Any, norm: jax.Array, bound: jax.Array, value: jax.Array) -> tuple[jax.Array, ...]:
    """Bound on coordinates, share that it cuts, cosine between before and after, norm after."""
    sizes = jnp.concatenate([jnp.abs(leaf).astype(jnp.float32).reshape(-1) for leaf in jax.tree.leaves(grads)])
    largest = jnp.max(sizes)

    def left(value: jax.Array) -> jax.Array:
        return jnp.linalg.norm(jnp.minimum(sizes, value))

    def halve(_: int, ends: tuple[jax.Array, jax.Array]) -> tuple[jax.Array, jax.Array]:
        low, high = ends
        middle = (low + high) / 2
        short = left(middle) < bound
        return jnp.where(short, middle, low), jnp.where(short, high, middle)

    found = jax.lax.fori_loop(0, _HALVINGS, halve, (jnp.zeros(()), largest))[1]
    value = jnp.where(jnp.isfinite(value), value, jnp.where(norm > bound, found, largest))
    cut, after, dot = jnp.mean(sizes > value), left(value), jnp.sum(sizes * jnp.minimum(sizes, value))
    cosine = jnp.where((norm > 0) & (after > 0), dot / (norm * after), 1.0)
    return value, cut, cosine, after
