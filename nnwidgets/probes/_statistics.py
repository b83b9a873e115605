"""Norm, mean, spread, range, zeros and non-finite numbers of every tensor."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp

from ._snapshot import PerLayer, Snapshot

READINGS = ("norm", "mean", "std", "min", "max", "zero_fraction", "nonfinite")


def statistics(snapshot: Snapshot) -> dict[str, PerLayer]:
    """Seven readings of each gradient, update and parameter tensor, computed in float32 whatever its dtype.

    ``norm`` is the Euclidean norm, ``std`` the population standard deviation (two passes), ``zero_fraction`` the share of
    exact zeros, ``nonfinite`` the count of NaN and infinite entries. Non-finite entries show in all but the last two.

    Returns:
        ``"gradient/norm"`` and so on, float32 (tensors,) each.
    """
    found = {}
    for what, leaves in snapshot.tensors().items():
        rows = jnp.stack([_describe(leaf) for leaf in leaves], axis=1)
        found |= {f"{what}/{name}": PerLayer(snapshot.paths, row) for name, row in zip(READINGS, rows, strict=True)}
    return found


def update_ratio(snapshot: Snapshot) -> dict[str, PerLayer]:
    """Norm of the update over the norm of the parameter before it, per tensor; about 1e-3 is usual (CS231n notes).

    Returns:
        ``"update/ratio"``, float32 (tensors,); NaN where the parameter is all zeros.
    """
    norms = tensor_norms(snapshot.grads, snapshot.updates, snapshot.params)
    ratio = jnp.where(norms[2] > 0, norms[1] / jnp.where(norms[2] > 0, norms[2], 1.0), jnp.nan)
    return {"update/ratio": PerLayer(snapshot.paths, ratio)}


def tensor_norms(grads: Any, updates: Any, params: Any) -> jax.Array:
    """Euclidean norms per tensor: float32 (3, tensors), rows gradient, update, parameter."""
    rows = [
        [_norm(jnp.asarray(leaf, jnp.float32)) for leaf in jax.tree.leaves(tree)] for tree in (grads, updates, params)
    ]
    return jnp.asarray(rows, jnp.float32)


def _describe(leaf: jax.Array) -> jax.Array:
    values = jnp.asarray(leaf, jnp.float32).reshape(-1)
    mean = jnp.mean(values)
    nonfinite = jnp.sum(~jnp.isfinite(values), dtype=jnp.float32)
    zeros = jnp.mean((values == 0).astype(jnp.float32))
    spread = jnp.sqrt(jnp.mean(jnp.square(values - mean)))
    return jnp.stack([_norm(values), mean, spread, jnp.min(values), jnp.max(values), zeros, nonfinite])


def _norm(values: jax.Array) -> jax.Array:
    return jnp.sqrt(jnp.sum(jnp.square(values)))
