"""Seven numbers of each of some arrays, in few passes over memory."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np


class Summary(NamedTuple):
    """One float32 vector a reading, one entry an array; see `summarize`."""

    norm: jax.Array
    mean: jax.Array
    std: jax.Array
    min: jax.Array
    max: jax.Array
    zero_fraction: jax.Array
    nonfinite: jax.Array


def summarize(leaves: Sequence[jax.Array]) -> Summary:
    """Euclidean norm, mean, standard deviation, smallest and largest value, share of zeros, count of NaN and infinities.

    Everything is computed in float32 whatever the dtype. The values are divided by their largest magnitude before
    they are squared, and centred by their mean (two passes): so norms of gradients of 1e-30 do not vanish, those of 1e30
    do not overflow, and a standard deviation beside a large mean keeps its digits. One array's values never touch
    another's.

    Args:
        leaves: arrays of any shape.

    Returns:
        float32 (leaves,) each. With a NaN in the array ``norm``, ``mean``, ``std``, ``min`` and ``max`` are NaN; with an
        infinity ``norm`` is infinite and ``std`` NaN. ``zero_fraction`` and ``nonfinite`` stay exact. ``std`` divides by
        n. Of an array without entries all are 0.
    """
    if not leaves:
        return Summary(*[jnp.zeros(0, jnp.float32)] * len(Summary._fields))
    arrays = [jnp.asarray(leaf, jnp.float32) if jnp.size(leaf) else jnp.zeros(1, jnp.float32) for leaf in leaves]
    size = np.array([array.size for array in arrays], np.float32)
    low, high = jnp.stack([array.min() for array in arrays]), jnp.stack([array.max() for array in arrays])
    largest = jnp.maximum(jnp.abs(low), jnp.abs(high))
    finite = largest < jnp.inf
    scale = 1.0 / jnp.where(finite, jnp.maximum(largest, 1e-37), 1.0)
    # not mean(values * scale): XLA would share that product with the next pass by writing it to memory
    mean = jnp.stack([jnp.sum(values * by) for values, by in zip(arrays, scale / size, strict=True)])
    each = zip(arrays, mean / scale, scale, strict=True)
    variance = jnp.stack([jnp.sum(jnp.square((values - centre) * by)) for values, centre, by in each]) / size
    norm = jnp.sqrt((variance + jnp.square(mean)) * size) / scale
    # comparisons are summed several times slower than signs on a CPU: only where signs do not suffice
    zeros, nonfinite = jax.lax.cond(jnp.all(finite), _count_by_sign, _count, *arrays)
    norm = jnp.where(finite, norm, largest)
    return Summary(norm, mean / scale, jnp.sqrt(variance) / scale, low, high, zeros / size, nonfinite)


def _count_by_sign(*arrays: jax.Array) -> tuple[jax.Array, jax.Array]:
    return jnp.stack([array.size - jnp.sum(jnp.abs(jnp.sign(array))) for array in arrays]), jnp.zeros(len(arrays))


def _count(*arrays: jax.Array) -> tuple[jax.Array, jax.Array]:
    zeros = [jnp.sum(jnp.where(array == 0, 1.0, 0.0)) for array in arrays]
    nonfinite = [jnp.sum(jnp.where(jnp.isfinite(array), 0.0, 1.0)) for array in arrays]
    return jnp.stack(zeros), jnp.stack(nonfinite)
