"""The formulas that several frameworks share, as functions of a traced count.

Each is written so that float32 keeps its relative accuracy to the last step: what is left of a decay is a difference of
whole numbers, and half a cosine is a squared sine. ``0.5 * (1 + cos(pi * t))`` in float32, as Keras and Optax have it, is
off by 0.3 % at the last of 1,000 steps.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax

Curve = Callable[[jax.Array], Any]


def as_schedule(curve: Curve) -> optax.Schedule:
    """A curve as an Optax schedule: takes an integer, or an array of them elementwise; gives float32."""

    def schedule(count: Any) -> jax.Array:
        count = jnp.asarray(count)
        # a curve may be constant: it still has the shape of its count
        return jnp.broadcast_to(jnp.asarray(curve(count), jnp.float32), count.shape)

    return schedule


def per_epoch(curve: Curve, steps_per_epoch: int) -> optax.Schedule:
    """A curve over epochs as a schedule over steps: it changes at the first step of each epoch."""
    length = int(steps_per_epoch)
    return as_schedule(lambda count: curve(count // length))


def passed(count: jax.Array, steps: int) -> jax.Array:
    """The share of ``steps`` that has passed, from 0 to 1."""
    return jnp.clip(count, 0, steps).astype(jnp.float32) / steps


def left(count: jax.Array, steps: int) -> jax.Array:
    """The share of ``steps`` that is left, from 1 to 0; exact to float32 up to the last step."""
    return (steps - jnp.clip(count, 0, steps)).astype(jnp.float32) / steps


def periods(count: jax.Array, steps: float, staircase: bool) -> jax.Array:
    """``count / steps``, or the whole part of it where it is a staircase."""
    if not staircase:
        return count.astype(jnp.float32) / steps
    # integers: a division in float32 may miss the step at which a stair begins
    if float(steps).is_integer():
        return (count // int(steps)).astype(jnp.float32)
    return jnp.floor(count.astype(jnp.float32) / steps)


def power(base: float, exponent: Any) -> jax.Array:
    """``base ** exponent`` for a known base above 0; its logarithm is taken in float64."""
    return jnp.exp(exponent * math.log(base))


def linear(start: Any, end: Any, count: jax.Array, steps: int) -> Any:
    """From start to end in a straight line, then end."""
    return start * left(count, steps) + end * passed(count, steps)


def polynomial(start: Any, end: Any, share_left: jax.Array, exponent: float) -> Any:
    """``(start - end) * share_left ** exponent + end``."""
    return (start - end) * share_left**exponent + end


def half_cosine(share_left: Any) -> jax.Array:
    """``(1 + cos(pi * (1 - share_left))) / 2``: from 1 to 0 in half a wave."""
    return jnp.square(jnp.sin((jnp.pi / 2) * share_left))


def piece(count: jax.Array, boundaries: Sequence[int], values: Any, closed: bool) -> jax.Array:
    """The value of the interval in which ``count`` lies.

    Args:
        count: traced integers.
        boundaries: whole numbers that rise, (n,).
        values: (n + 1,).
        closed: whether a boundary belongs to the interval before it (Keras, MXNet) or to the one after (PyTorch).
    """
    table = jnp.asarray(values, jnp.float32)
    if not len(boundaries):
        return table[0]
    edges = jnp.asarray(np.asarray(boundaries), jnp.int32)
    return table[jnp.searchsorted(edges, count, side="left" if closed else "right")]
