"""One small run that all experiments are tried on."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import nnwidgets as nnw


def small_loss(params: Any, batch: Any) -> jax.Array:
    """Squared error of a layer of 16 units with tanh."""
    inputs, targets = batch
    return jnp.mean((jnp.tanh(inputs @ params["hidden"]) @ params["out"] - targets) ** 2)


def small_session(tx: Any = None, **more: Any) -> nnw.Session:
    """Eight batches of 32 examples with eight features, targets linear in them."""
    random = np.random.default_rng(0)
    inputs = random.normal(size=(256, 8)).astype(np.float32)
    targets = (inputs @ random.normal(size=8)).astype(np.float32)
    batches = [(inputs[i : i + 32], targets[i : i + 32]) for i in range(0, 256, 32)]
    params = {"hidden": jnp.asarray(random.normal(size=(8, 16)) / 3, jnp.float32), "out": jnp.zeros(16)}
    tx = optax.adam(1e-2) if tx is None else tx
    return nnw.Session(nnw.Objective(small_loss, params), tx, batches, **more)


@pytest.fixture(scope="module")
def session() -> nnw.Session:
    """One for the tests of a file; they do not change it."""
    return small_session()
