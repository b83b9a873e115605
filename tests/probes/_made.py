"""Snapshots of steps that never were."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from nnwidgets.probes import Snapshot

VALUES = np.array([[0.0, 1.0, -2.0], [3.0, 0.0, 1000.5]])


class Watched(NamedTuple):
    """What a probe may read of an entry of `Snapshot.watched`."""

    name: str
    layer: str
    role: str = "output"
    function: str = ""
    shape: tuple[int, ...] = ()
    dtype: Any = np.float32
    unit_axis: int = -1


def after(function: str, layer: str = "Dense_0", **changes: Any) -> Watched:
    """The output of a nonlinearity."""
    return Watched(f"{layer}/{function}", layer, "nonlinearity_output", function, **changes)


def snapshot(dtype: Any = np.float32, values: Any = VALUES) -> Snapshot:
    """Two tensors, ``b`` a scalar 0 and ``w`` these values; gradient and parameter alike, the update half of them."""
    tree = {"w": jnp.asarray(values, dtype), "b": jnp.zeros((), dtype)}
    return Snapshot(jnp.float32(1.0), tree, tree, jax.tree.map(lambda leaf: leaf / 2, tree), ("b", "w"))


def activated(*pairs: tuple[Watched, Any], dtype: Any = np.float32) -> Snapshot:
    """One whose forward pass gives these values, by way of its batch: so they are arguments of a compiled probe."""

    def capture(params: Any, state: Any, batch: Any, rng: Any) -> Mapping[str, jax.Array]:
        return {each.name: value for (each, _), value in zip(pairs, batch, strict=True)}

    def as_given(value: Any) -> jax.Array:
        array = jnp.asarray(value)
        return array.astype(dtype) if jnp.issubdtype(array.dtype, jnp.floating) else array

    one = {"w": jnp.ones((), dtype)}
    watched: Any = tuple(each for each, _ in pairs)
    batch = [as_given(value) for _, value in pairs]
    return Snapshot(jnp.float32(1.0), one, one, one, ("w",), batch=batch, watched=watched, capture=capture)
