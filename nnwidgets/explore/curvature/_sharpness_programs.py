"""The compiled programs of the sharpness of a loss, each kept for the next call."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Any

import jax
import jax.numpy as jnp

from nnwidgets.objective import Objective

from .._convolutions import quick_in_loops
from ._box_maximum import box_maximum
from ._hessian import spectrum, trace_samples
from ._several_batches import mean_loss

STEPS, STARTS, ITERATIONS = 10, 2, 40


@lru_cache(maxsize=32)
def loss_and_slope(objective: Objective) -> Callable[..., Any]:
    """The loss, and by how much it can rise in the box to first order."""

    def run(params: Any, state: Any, batches: Any, key: jax.Array, epsilon: Any) -> Any:
        value, slope = mean_loss(objective, state, batches, key).gradient(params)
        along = jax.tree.map(lambda each, leaf: jnp.sum(jnp.abs(each) * epsilon * (jnp.abs(leaf) + 1)), slope, params)
        return value, sum(jax.tree.leaves(along))

    return jax.jit(run)


@lru_cache(maxsize=32)
def curvature(objective: Objective, count: int) -> Callable[..., Any]:
    """The largest eigenvalues of the Hessian."""

    def run(params: Any, state: Any, batches: Any, key: jax.Array) -> Any:
        product = mean_loss(objective, state, batches, key).product
        return spectrum(lambda vector: product(params, vector), params, key, count=count, iterations=ITERATIONS)

    return jax.jit(run)


@lru_cache(maxsize=32)
def traces(objective: Objective, samples: int) -> Callable[..., Any]:
    """Estimates of its trace."""

    def run(params: Any, state: Any, batches: Any, key: jax.Array) -> Any:
        product = mean_loss(objective, state, batches, key).product
        return trace_samples(lambda vector: product(params, vector), params, key, samples)

    return jax.jit(run)


@lru_cache(maxsize=32)
def box(objective: Objective) -> Callable[..., Any]:
    """The highest loss in the box."""

    def run(params: Any, state: Any, batches: Any, key: jax.Array, vector: Any, epsilon: Any) -> Any:
        loss = mean_loss(objective, state, batches, key)
        return box_maximum(
            loss.value, loss.gradient, params, key, epsilon=epsilon, starts=STARTS, steps=STEPS, direction=vector
        )

    return jax.jit(run)


@lru_cache(maxsize=32)
def slices(objective: Objective) -> Callable[..., Any]:
    """The loss along the worst step in the box, and along an eigenvector for as long; (2, places)."""

    def run(params: Any, state: Any, batches: Any, key: jax.Array, worst: Any, vector: Any, places: Any) -> Any:
        value = quick_in_loops(mean_loss(objective, state, batches, key).value)
        length = jnp.sqrt(sum(jnp.sum(leaf**2) for leaf in jax.tree.leaves(worst)))

        directions = jax.tree.map(lambda leaf, step: jnp.stack([leaf, length * step]), worst, vector)

        def at(place: Any) -> Any:
            which, share = place
            return value(
                jax.tree.map(lambda leaf, two: leaf + (share * two[which]).astype(leaf.dtype), params, directions)
            )

        both = (jnp.repeat(jnp.arange(2), len(places)), jnp.tile(places, 2))
        return jax.lax.map(at, both).reshape(2, -1)

    return jax.jit(run)
