"""The distribution of every tensor's values."""

from __future__ import annotations

import jax
import jax.numpy as jnp

from ._snapshot import PerLayer, Snapshot

BINS = 30
SAMPLE = 4096


def histograms(snapshot: Snapshot) -> dict[str, PerLayer]:
    """Thirty equal bins between the smallest and the largest of at most 4,096 evenly strided values of each tensor.

    Bins by index arithmetic and one scatter-add. Non-finite values are left out.

    Returns:
        ``"gradient/histogram"``, ``"update/histogram"``, ``"parameter/histogram"``: float32 (tensors, 2 + 30).
    """
    return {
        f"{what}/histogram": PerLayer(snapshot.paths, jnp.stack([_histogram(leaf) for leaf in leaves]))
        for what, leaves in snapshot.tensors().items()
    }


def _histogram(leaf: jax.Array) -> jax.Array:
    values = jnp.asarray(leaf, jnp.float32).reshape(-1)
    values = values[:: max(1, -(-values.size // SAMPLE))]
    finite = jnp.isfinite(values)
    low = jnp.min(values, initial=jnp.inf, where=finite)
    high = jnp.max(values, initial=-jnp.inf, where=finite)
    low, high = jnp.where(low <= high, low, 0.0), jnp.where(low <= high, high, 0.0)
    width = jnp.where(high > low, high - low, 1.0)
    places = jnp.clip(jnp.where(finite, (values - low) / width, 0.0) * BINS, 0, BINS - 1).astype(jnp.int32)
    counts = jnp.zeros(BINS, jnp.float32).at[places].add(finite.astype(jnp.float32), mode="promise_in_bounds")
    return jnp.concatenate([jnp.stack([low, high]), counts])
