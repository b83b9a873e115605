"""Gradients of single examples, or of small groups of them: their norms and products, without keeping them."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from nnwidgets.objective import Objective

from .._convolutions import quick_in_loops

# Gradients side by side, where that is quicker than one after another.
_AT_ONCE = 16


class GroupGradients(NamedTuple):
    """What is kept of the gradients of groups of examples.

    Attributes:
        total: their sum, like the parameters, float32.
        squares: squared norm of each, by leaf of the parameters (groups, leaves).
        products: inner product of each with a given gradient, by leaf (groups, leaves).
    """

    total: Any
    squares: jax.Array
    products: jax.Array


@lru_cache(maxsize=32)
def group_gradients(objective: Objective) -> Callable[..., GroupGradients]:
    """The compiled function of the gradients of groups in training, each with a key of its own.

    At most 16 gradients are held at a time, whatever the number of groups: on a CPU one, since there one after another takes
    less time for convolutions, and hardly more for others.

    Args:
        objective: the loss.

    Returns:
        ``(params, state, groups, keys, given, share) -> GroupGradients`` with the groups' examples in leaves (groups, rows,
        ...), a key for each group (groups,), a gradient like the parameters to multiply with, and the share of a declared
        penalty that belongs to each group: 1 where the loss is a mean over the batch.
    """
    at_once = 1 if jax.default_backend() == "cpu" else _AT_ONCE

    def gradient(params: Any, state: Any, group: Any, key: jax.Array, share: jax.Array) -> Any:
        def loss(params: Any) -> jax.Array:
            value, (_, aux) = objective(params, state, group, key, True)
            return value - (1 - share) * aux.get("penalty", 0.0)

        return jax.tree.map(_wide, jax.grad(loss)(params))

    def run(params: Any, state: Any, groups: Any, keys: jax.Array, given: Any, share: jax.Array) -> GroupGradients:
        given = jax.tree.leaves(given)
        one = quick_in_loops(lambda group, key: gradient(params, state, group, key, share))

        def several(total: Any, part: Any) -> Any:
            found = jax.vmap(one)(*part) if at_once > 1 else jax.tree.map(lambda leaf: leaf[None], one(*_first(part)))
            leaves = jax.tree.leaves(found)
            squares = [jnp.sum(jnp.abs(leaf) ** 2, range(1, leaf.ndim)) for leaf in leaves]
            products = [_product(leaf, other) for leaf, other in zip(leaves, given, strict=True)]
            total = jax.tree.map(lambda leaf, more: leaf + more.sum(0), total, found)
            return total, (jnp.stack(squares, 1), jnp.stack(products, 1))

        count = len(keys)
        size = next(size for size in range(min(at_once, count), 0, -1) if count % size == 0)
        parts = jax.tree.map(lambda leaf: leaf.reshape(count // size, size, *leaf.shape[1:]), (groups, keys))
        zeros = jax.tree.map(lambda leaf: jnp.zeros_like(_wide(leaf)), params)
        total, (squares, products) = jax.lax.scan(several, zeros, parts)
        return GroupGradients(total, squares.reshape(count, -1), products.reshape(count, -1))

    return jax.jit(run)


def _first(part: Any) -> Any:
    return jax.tree.map(lambda leaf: leaf[0], part)


def _wide(leaf: Any) -> jax.Array:
    return jnp.asarray(leaf).astype(jnp.promote_types(jnp.result_type(leaf), jnp.float32))


def _product(leaf: jax.Array, other: jax.Array) -> jax.Array:
    return jnp.real(jnp.sum(leaf * jnp.conj(_wide(other)), range(1, leaf.ndim)))
