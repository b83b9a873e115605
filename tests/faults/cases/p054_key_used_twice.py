"""A key is used again after it was split, so both factors start equal and stay equal (jax-ml/jax#2009, #192)."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax

import nnwidgets as nnw
from tests.faults import data

GROUP = "state"
ACCEPT = {"IdenticalLayers"}
WHERE = ""
STEPS = 300
RANK = 6


def init(key: jax.Array, fault: bool) -> dict[str, jax.Array]:
    key_left, key_right = jax.random.split(key)
    if fault:
        key_left = key_right = key
    return {
        "left": 0.2 * jax.random.normal(key_left, (8, RANK)),
        "right": 0.2 * jax.random.normal(key_right, (8, RANK)),
        "bias": jnp.zeros(()),
    }


def interaction(params: Any, x: Any) -> jax.Array:
    """A quadratic form as a sum of products of two projections."""
    return jnp.sum((x @ params["left"]) * (x @ params["right"]), axis=-1) + params["bias"]


def squared(params: Any, batch: Any) -> jax.Array:
    x, y = batch
    return jnp.mean(jnp.square(interaction(params, x) - y))


def interactions(seed: int, count: int) -> tuple[data.Array, data.Array]:
    """Products of features, of both signs, with variance about 1."""
    x = np.random.default_rng(seed).normal(size=(count, 8)).astype(np.float32)
    y = 0.7 * x[:, 0] * x[:, 1] - 0.6 * x[:, 2] * x[:, 3] + 0.4 * x[:, 4] * x[:, 5]
    return x, y


def build(seed: int = 0, fault: bool = True) -> nnw.Session:
    objective = nnw.Objective(squared, init(jax.random.key(seed), fault))
    validation = [interactions(1, 400)]
    batches = data.batches(interactions(0, 960), 32, seed)
    return nnw.Session(objective, optax.adam(0.02), batches, validation=validation, seed=seed)


def error(session: nnw.Session) -> float:
    x, y = interactions(1, 400)
    return float(np.mean((np.asarray(interaction(session.params, x)) - y) ** 2) / y.var())
