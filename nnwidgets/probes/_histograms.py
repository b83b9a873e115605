"""The distribution of values of every tensor and every layer's output."""

from __future__ import annotations

import math
from collections.abc import Sequence

import jax
import jax.numpy as jnp
import numpy as np

from ._snapshot import PerLayer, Snapshot

BINS = 30
SAMPLE = 4096


def histograms(snapshot: Snapshot) -> dict[str, PerLayer]:
    """Thirty equal bins between the smallest and the largest of at most 4,096 evenly strided values of each tensor.

    Returns:
        ``"gradient/histogram"``, ``"update/histogram"``, ``"parameter/histogram"``: float32 (tensors, 2 + 30), see
        `count_bins`.
    """
    tensors = snapshot.tensors()
    rows = count_bins([leaf for leaves in tensors.values() for leaf in leaves])
    count = len(snapshot.paths)
    return {
        f"{what}/histogram": PerLayer(snapshot.paths, rows[i * count : (i + 1) * count])
        for i, what in enumerate(tensors)
    }


def count_bins(leaves: Sequence[jax.Array]) -> jax.Array:
    """Histograms of some arrays, by index arithmetic and one scatter-add.

    Args:
        leaves: arrays of any shape; of each at most 4,096 values are read, with a stride that has no factor in common
            with its size, so that rows and columns are sampled alike.

    Returns:
        float32 (leaves, 2 + 30): smallest and largest finite value of the sample (0 and 0 without one), then the counts
        of the finite values. Those of a constant array are all in the first bin.
    """
    if not leaves:
        return jnp.zeros((0, 2 + BINS), jnp.float32)
    samples = [_sample(leaf) for leaf in leaves]
    ends = jnp.stack([_ends(sample) for sample in samples])
    # halves, since the width of what reaches from -3e38 to 3e38 is no float32
    low, width = ends[:, 0] / 2, ends[:, 1] / 2 - ends[:, 0] / 2
    scale = BINS / jnp.maximum(width, 1e-36)
    leaf = np.repeat(np.arange(len(samples)), [sample.size for sample in samples])
    values = jnp.concatenate(samples)
    finite = jnp.isfinite(values)
    inside = jnp.where(finite, values / 2 - low[leaf], 0.0) * scale[leaf]
    places = jnp.clip(inside, 0, BINS - 1).astype(jnp.int32) + BINS * leaf
    counts = jnp.zeros(BINS * len(samples), jnp.float32)
    counts = counts.at[places].add(finite.astype(jnp.float32), mode="promise_in_bounds")
    return jnp.concatenate([ends, counts.reshape(-1, BINS)], axis=1)


def _ends(sample: jax.Array) -> jax.Array:
    finite = jnp.isfinite(sample)
    low = jnp.min(sample, initial=jnp.inf, where=finite)
    high = jnp.max(sample, initial=-jnp.inf, where=finite)
    return jnp.where(low <= high, jnp.stack([low, high]), 0.0)


def _sample(leaf: jax.Array) -> jax.Array:
    values = jnp.asarray(leaf).reshape(-1)
    stride = max(1, -(-values.size // SAMPLE))
    while math.gcd(stride, values.size) > 1:
        stride += 1
    return values[::stride].astype(jnp.float32)
