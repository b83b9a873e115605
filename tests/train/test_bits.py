"""Watching changes nothing: on every framework's reference model the parameters are the same bits."""

from __future__ import annotations

import math

import jax
import numpy as np
import optax
import pytest

import nnwidgets as nnw
from tests import models


@pytest.mark.parametrize("framework", models.FRAMEWORKS)
def test_watching_changes_no_bit(framework: str) -> None:
    objective, batch, _ = models.make(framework)
    bare, watched, governed = (
        nnw.Session(objective, optax.adam(3e-3), [batch], budget=budget).run(200) for budget in (0.0, math.inf, 0.05)
    )
    for other in (watched, governed):
        for part in ("params", "state", "opt_state"):
            pairs = zip(jax.tree.leaves(getattr(bare, part)), jax.tree.leaves(getattr(other, part)), strict=True)
            assert all(np.array_equal(_bits(a), _bits(b)) for a, b in pairs), part
    assert watched.notices == []
    assert len(watched.history["update/ratio"]) == len(watched.history["activation/std"]) == 200
    assert "update/ratio" not in bare.history
    loss = watched.history["train/loss"].values
    assert loss[-20:].mean() < loss[:20].mean()


def _bits(leaf: jax.Array) -> np.ndarray:
    is_key = jax.numpy.issubdtype(leaf.dtype, jax.dtypes.prng_key)
    values = np.asarray(jax.random.key_data(leaf) if is_key else leaf)
    return values.view(f"u{values.dtype.itemsize}")
