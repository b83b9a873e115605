"""Norm, mean, spread, range, zeros and non-finite numbers of every tensor."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp

from nnwidgets.trace import as_real

from ._snapshot import PerLayer, Snapshot

READINGS = ("mean", "std", "min", "max", "zero_fraction", "nonfinite")


def norms(snapshot: Snapshot) -> dict[str, PerLayer]:
    """Euclidean norm of each gradient, update and parameter tensor, without overflow or underflow of the squares.

    Returns:
        ``"gradient/norm"``, ``"update/norm"``, ``"parameter/norm"``: float32 (tensors,); NaN or inf if an entry is.
    """
    return {f"{what}/norm": PerLayer(snapshot.paths, found.norm) for what, found in snapshot.summaries.items()}


def statistics(snapshot: Snapshot) -> dict[str, PerLayer]:
    """Six readings of each gradient, update and parameter tensor, computed in float32 whatever its dtype.

    ``std`` is the population standard deviation (two passes), ``zero_fraction`` the share of exact zeros, ``nonfinite``
    the count of NaN and infinite entries. Non-finite entries show in all but the last two.

    Returns:
        ``"gradient/mean"`` and so on, float32 (tensors,) each.
    """
    return {
        f"{what}/{reading}": PerLayer(snapshot.paths, getattr(found, reading))
        for what, found in snapshot.summaries.items()
        for reading in READINGS
    }


def update_ratio(snapshot: Snapshot) -> dict[str, PerLayer]:
    """Norm of the update over the norm of the parameter before it, per tensor; about 1e-3 is usual (CS231n notes).

    Returns:
        ``"update/ratio"``, float32 (tensors,); 0 for a frozen parameter, NaN where the parameter is all zeros, since
        there is nothing to compare with.
    """
    update, parameter = snapshot.summaries["update"].norm, snapshot.summaries["parameter"].norm
    known = parameter != 0
    return {
        "update/ratio": PerLayer(snapshot.paths, jnp.where(known, update / jnp.where(known, parameter, 1.0), jnp.nan))
    }


def leaf_norms(tree: Any) -> jax.Array:
    """Euclidean norm of each leaf of a tree, in its order; float32 (leaves,)."""
    return jnp.stack([jnp.linalg.norm(as_real(leaf).astype(jnp.float32).reshape(-1)) for leaf in jax.tree.leaves(tree)])


def tensor_norms(grads: Any, updates: Any, params: Any) -> jax.Array:
    """Euclidean norms per tensor, as cheaply as possible: for an optimizer that runs inside a user's own program.

    Returns:
        float32 (3, tensors): gradient, update, parameter. One plain pass: entries above 1e19 overflow to inf, and those
        below 1e-19 vanish when squared; the probe `norms` has neither limit.
    """
    every = [jnp.asarray(as_real(leaf), jnp.float32).reshape(-1) for leaf in jax.tree.leaves((grads, updates, params))]
    return jnp.sqrt(jnp.asarray([jnp.vdot(leaf, leaf) for leaf in every], jnp.float32)).reshape(3, -1)
