"""The highest loss in a small box round the parameters."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from .._convolutions import quick_in_loops

# How far towards the corner that the gradient points to; the best of these is taken.
_STRIDES = (1.0, 0.5, 0.25, 0.1, 0.03)


class BoxMaximum(NamedTuple):
    """What was found.

    Attributes:
        start: the loss in the middle of the box.
        highest: the highest loss in it.
        where: the step from the middle to it, like the parameters.
        percent: :math:`100 (f_{max} - f) / (1 + f)`, the sharpness of Keskar et al.
    """

    start: jax.Array
    highest: jax.Array
    where: Any
    percent: jax.Array


def box_maximum(
    value: Callable[[Any], jax.Array],
    gradient: Callable[[Any], tuple[jax.Array, Any]],
    params: Any,
    key: jax.Array,
    *,
    epsilon: float = 1e-3,
    starts: int = 2,
    steps: int = 10,
    direction: Any = None,
) -> BoxMaximum:
    r"""Maximise a loss over :math:`|y_i| \leq \epsilon (|x_i| + 1)`; pure, in loops of a compiled program.

    The sharpness of Keskar et al., "On Large-Batch Training for Deep Learning" (arXiv:1609.04836, metric 2.1), in the full
    space (A the identity). Each step goes towards the corner of the box that the gradient points to, as far as the loss is
    highest (conditional gradient, Frank and Wolfe 1956); from the middle, from random corners of half the box, and if a
    direction is given, from the corners on both sides along it. What is found is a lower bound: maximising is hard.

    Args:
        value: params -> loss.
        gradient: params -> (loss, gradient).
        params: x, the middle.
        key: of the random starts.
        epsilon: half the width of the box beside a weight of 0; in the paper 1e-3 and 5e-4.
        starts: how many random ones.
        steps: from each.
        direction: a tree like the parameters, such as the top eigenvector.
    """
    box = jax.tree.map(lambda leaf: jnp.asarray(epsilon, leaf.dtype) * (jnp.abs(leaf) + 1), params)
    value, gradient = quick_in_loops(value), quick_in_loops(gradient)
    places = _starts(box, key, starts, direction)
    losses = jax.lax.map(lambda place: value(_added(params, place)), places)

    def climb(start: Any) -> tuple[jax.Array, Any]:
        def step(held: tuple[jax.Array, Any], _: Any) -> Any:
            loss, at = held
            _, slope = gradient(_added(params, at))
            corner = jax.tree.map(
                lambda each, size, here: jnp.where(each == 0, here, size * jnp.sign(each)), slope, box, at
            )

            def moved(stride: jax.Array) -> Any:
                return jax.tree.map(lambda here, there: here + stride.astype(here.dtype) * (there - here), at, corner)

            strides = jnp.array(_STRIDES, jnp.float32)
            losses = jax.lax.map(lambda stride: value(_added(params, moved(stride))), strides)
            losses = jnp.append(losses, loss)
            best = jnp.nanargmax(losses)
            return (losses[best], moved(jnp.append(strides, 0.0)[best])), None

        return jax.lax.scan(step, start, None, length=steps)[0]

    begin = losses[0]
    losses, places = jax.lax.map(climb, (losses, places))
    best = jnp.nanargmax(losses)
    where = jax.tree.map(lambda leaf: leaf[best], places)
    return BoxMaximum(begin, losses[best], where, 100 * (losses[best] - begin) / (1 + begin))


def _starts(box: Any, key: jax.Array, count: int, direction: Any) -> Any:
    """The middle, random corners, the corners along the direction; stacked."""
    leaves, form = jax.tree.flatten(box)
    keys = jax.random.split(key, len(leaves))
    found = []
    for each, leaf, along in zip(
        keys, leaves, [None] * len(leaves) if direction is None else jax.tree.leaves(direction), strict=True
    ):
        signs = [
            jnp.zeros((1, *leaf.shape), leaf.dtype),
            jax.random.rademacher(each, (count, *leaf.shape), leaf.dtype) / 2,
        ]
        if along is not None:
            signs += [jnp.sign(along)[None], -jnp.sign(along)[None]]
        found.append(jnp.concatenate(signs) * leaf)
    return jax.tree.unflatten(form, found)


def _added(params: Any, step: Any) -> Any:
    return jax.tree.map(jnp.add, params, step)
