"""Updates that are lost to rounding."""

from __future__ import annotations

import jax
import jax.numpy as jnp

from ._snapshot import PerLayer, Snapshot


def swallowed_updates(snapshot: Snapshot) -> dict[str, PerLayer]:
    """The share of a 16-bit parameter's entries that stay as they are although their update is not 0.

    Returns:
        ``"update/unchanged"``, float32 (16-bit tensors,) between 0 and 1, of the entries with an update other than 0; NaN
        where all updates are 0. Nothing where all parameters have 32 bits or more.
    """
    leaves = [jax.tree.leaves(tree) for tree in (snapshot.params, snapshot.updates, snapshot.new_params)]
    rows = zip(snapshot.paths, *leaves, strict=True)
    found = {path: _share(*tensors) for path, *tensors in rows if _is_small(tensors[0])}
    return {"update/unchanged": PerLayer(tuple(found), jnp.stack(list(found.values())))} if found else {}


def _is_small(parameter: jax.Array) -> bool:
    return bool(jnp.issubdtype(parameter.dtype, jnp.floating)) and parameter.dtype.itemsize < 4


def _share(parameter: jax.Array, update: jax.Array, after: jax.Array) -> jax.Array:
    wanted = jnp.sum(update != 0, dtype=jnp.float32)
    lost = jnp.sum((update != 0) & (after == parameter), dtype=jnp.float32)
    return jnp.where(wanted > 0, lost / jnp.maximum(wanted, 1.0), jnp.nan)
