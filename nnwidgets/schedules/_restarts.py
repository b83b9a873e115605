"""The periods of a schedule with warm restarts, each longer than the one before by the same factor."""

from __future__ import annotations

import math
from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np

_LARGEST = 2**31 - 1


def restarts(first: int, factor: float) -> Callable[[jax.Array], tuple[jax.Array, jax.Array]]:
    """Function from the count to the number of the period it lies in and the share left of that period.

    Period i starts at ``first * (factor ** i - 1) / (factor - 1)``. The starts are laid out beforehand in float64: a
    logarithm in float32, as Keras takes it, may place a restart one step off.

    Args:
        first: length of period 0, in steps or epochs.
        factor: of the length from each period to the next, at least 1.
    """
    if factor == 1:
        return lambda count: (count // first, (first - count % first).astype(jnp.float32) / first)
    lengths, ends = _laid_out(first, factor)
    # a restart at 250.0 belongs to step 250, also where rounding has left 250.00000000000003
    whole = np.minimum([math.ceil(end * (1 - 1e-12)) for end in ends], _LARGEST)
    rest = np.asarray(ends) - whole

    def period(count: jax.Array) -> tuple[jax.Array, jax.Array]:
        index = jnp.searchsorted(jnp.asarray(whole, jnp.int32), count, side="right")
        steps_left = (jnp.asarray(whole, jnp.int32)[index] - count).astype(jnp.float32)
        return index, (steps_left + jnp.asarray(rest, jnp.float32)[index]) / jnp.asarray(lengths, jnp.float32)[index]

    return period


def _laid_out(first: int, factor: float) -> tuple[list[float], list[float]]:
    """Length and end of each period, as many as a count of 32 bits can reach."""
    lengths, ends = [float(first)], [float(first)]
    while ends[-1] <= _LARGEST:
        lengths.append(first * factor ** len(lengths))
        ends.append(first * (factor ** len(lengths) - 1) / (factor - 1))
    return lengths, ends
