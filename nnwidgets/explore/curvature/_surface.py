"""The loss on a grid of points in a plane, in one compiled call."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Any

import jax
import jax.numpy as jnp

from nnwidgets.objective import Objective

from .._convolutions import quick_in_loops


@lru_cache(maxsize=32)
def surface(objective: Objective) -> Callable[..., Any]:
    """The compiled function of the loss in evaluation on a grid round the parameters.

    On a CPU one point comes after another, elsewhere those of a row side by side: measured on two cores, 21 x 21 points of an
    MLP with 17k parameters took 48 gradients' time by `jax.lax.map`, 63 by `jax.vmap`, 73 one call a point.

    Returns:
        ``(params, state, batch, key, across, up, xs, ys) -> losses`` (len(ys), len(xs)), float32, at params + x across +
        y up.
    """

    def run(params: Any, state: Any, batch: Any, key: jax.Array, across: Any, up: Any, xs: Any, ys: Any) -> jax.Array:
        def at(place: Any) -> jax.Array:
            x, y = place
            moved = jax.tree.map(
                lambda leaf, one, two: leaf + (x * one + y * two).astype(leaf.dtype), params, across, up
            )
            return objective(moved, state, batch, key, False)[0].astype(jnp.float32)

        grid = jnp.meshgrid(xs, ys)
        places = tuple(each.ravel() for each in grid)
        side_by_side = None if jax.default_backend() == "cpu" else len(xs)
        return jax.lax.map(quick_in_loops(at), places, batch_size=side_by_side).reshape(grid[0].shape)

    return jax.jit(run)
