"""Seven numbers of each of some arrays, in few passes over memory."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

_WIDTHS = (16, 128, 1024, 8192)


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
        n. An array without entries reads like a single 0.
    """
    if not leaves:
        return Summary(*[jnp.zeros(0, jnp.float32)] * len(Summary._fields))
    arrays = [jnp.asarray(leaf, jnp.float32).reshape(-1) for leaf in leaves]
    arrays = [array if array.size else jnp.zeros(1, jnp.float32) for array in arrays]
    groups = _groups([array.size for array in arrays])
    found = [_summarize_rows([arrays[i] for i in group]) for group in groups]
    back = np.argsort([i for group in groups for i in group])
    return Summary(*(jnp.concatenate(parts)[back] for parts in zip(*found, strict=True)))


def _groups(sizes: Sequence[int]) -> list[list[int]]:
    """Small arrays of like size together, as rows of one table: a kernel for each would cost more than the padding."""
    groups: dict[int, list[int]] = {}
    for i, size in enumerate(sizes):
        width = next((width for width in _WIDTHS if size <= width), None)
        groups.setdefault(-i if width is None else width, []).append(i)
    return list(groups.values())


def _summarize_rows(arrays: Sequence[jax.Array]) -> Summary:
    sizes = np.array([array.size for array in arrays])
    width = int(sizes.max())
    # a single array stays as it is: reducing along a row of a matrix is slower
    rows = arrays[0] if len(arrays) == 1 else jnp.stack([jnp.pad(row, (0, width - row.size)) for row in arrays])
    inside = None if (sizes == width).all() else np.arange(width) < sizes[:, None]
    size = sizes.astype(np.float32) if len(arrays) > 1 else np.float32(width)
    low = jnp.min(rows, -1, where=inside, initial=None if inside is None else jnp.inf)
    high = jnp.max(rows, -1, where=inside, initial=None if inside is None else -jnp.inf)
    largest = jnp.maximum(jnp.abs(low), jnp.abs(high))
    scale = 1.0 / jnp.where(largest < jnp.inf, jnp.maximum(largest, 1e-37), 1.0)
    # not mean(values * scale): XLA would share that product with the next pass by writing it to memory
    mean = jnp.sum(rows * (scale / size)[..., None], -1)
    deviation = (rows - (mean / scale)[..., None]) * scale[..., None]
    variance = jnp.sum(jnp.square(deviation), -1, where=inside) / size
    norm = jnp.sqrt((variance + jnp.square(mean)) * size) / scale
    # XLA's min and max of a large array lose a NaN on a CPU, its sums never do
    finite = jnp.isfinite(mean)
    # comparisons are summed several times slower than signs on a CPU: only where signs do not suffice
    nonzero, nonfinite, nan = jax.lax.cond(jnp.all(finite), _count_by_sign, _count, rows)
    low, high = jnp.where(nan > 0, jnp.nan, low), jnp.where(nan > 0, jnp.nan, high)
    norm = jnp.where(finite, norm, jnp.where(nan > 0, jnp.nan, jnp.inf))
    readings = (norm, mean / scale, jnp.sqrt(variance) / scale, low, high, (size - nonzero) / size, nonfinite)
    return Summary(*(jnp.atleast_1d(reading) for reading in readings))


def _count_by_sign(rows: jax.Array) -> tuple[jax.Array, jax.Array, jax.Array]:
    none = jnp.zeros(rows.shape[:-1])
    return jnp.sum(jnp.abs(jnp.sign(rows)), -1), none, none


def _count(rows: jax.Array) -> tuple[jax.Array, jax.Array, jax.Array]:
    """How many are not zero, how many not finite, how many NaN."""
    each = (rows != 0, ~jnp.isfinite(rows), jnp.isnan(rows))
    nonzero, nonfinite, nan = (jnp.sum(jnp.where(which, 1.0, 0.0), -1) for which in each)
    return nonzero, nonfinite, nan
