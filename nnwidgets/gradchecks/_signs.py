"""Random signs, made anew wherever they are needed: of ten million parameters they are faster computed than kept."""

from __future__ import annotations

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp

_MIX = (0x9E3779B1, 0x85EBCA6B, 0xC2B2AE35)


def signs(start: int, stop: int, seed: Any, which: Any) -> jax.Array:
    """1.0 or -1.0 for each number from start to stop, float64, by a bit of a hash (MurmurHash3's finalizer) of its place.

    Args:
        start: the first place.
        stop: the place after the last.
        seed: uint32.
        which: 0 or 1, of two patterns; may be traced.
    """
    return jnp.where(_bit(_hash(start, stop, seed), which) == 0, 1.0, -1.0)


@partial(jax.jit, static_argnums=0)
def both_signs(numbers: int, seed: Any) -> jax.Array:
    """Both patterns (2, numbers), as int8: what is made of them takes as long as the memory."""
    found = _hash(0, numbers, seed)
    return jnp.stack([(1 - 2 * _bit(found, which)).astype(jnp.int8) for which in (0, 1)])


def _hash(start: int, stop: int, seed: Any) -> jax.Array:
    return _mixed(jnp.arange(start, stop, dtype=jnp.uint32) ^ _mixed(seed * jnp.uint32(_MIX[0])))


def _bit(value: jax.Array, which: Any) -> jax.Array:
    """The highest, or the one below it."""
    return ((value >> (31 - jnp.asarray(which, jnp.uint32))) & 1).astype(jnp.int32)


def _mixed(value: jax.Array) -> jax.Array:
    value = (value ^ (value >> 16)) * jnp.uint32(_MIX[1])
    value = (value ^ (value >> 13)) * jnp.uint32(_MIX[2])
    return value ^ (value >> 16)
