"""The angle of a vector that is exactly zero, hidden by a mask: the gradient is NaN (jax-ml/jax#1052)."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax

import nnwidgets as nnw
from tests.faults import data

GROUP = "nan"
ACCEPT = {"NonFinite", "UnguardedLog"}
WHERE = ""
STEPS = 200


def headings(seed: int, count: int) -> tuple[data.Array, ...]:
    """Sets of five agents with three features; the heading to predict; few sets lack an agent, whose row is padding."""
    rng = np.random.default_rng(seed)
    features = rng.normal(size=(count, 5, 3)).astype(np.float32)
    angle = np.arctan2(features @ [0.8, -0.5, 0.3], features @ [0.2, 0.7, 0.6]).astype(np.float32)
    present = np.ones((count, 5), bool)
    present[::100, 4] = False
    return features * present[..., None], angle, present


def init(key: jax.Array) -> dict[str, jax.Array]:
    first, second = jax.random.split(key)
    return {
        "hidden": jax.random.normal(first, (3, 32)) * (2 / 3) ** 0.5,
        "out": jax.random.normal(second, (32, 2)) * (1 / 32) ** 0.5,
    }


def vectors(params: Any, features: Any) -> jax.Array:
    return jax.nn.relu(features @ params["hidden"]) @ params["out"]


def build(seed: int = 0, fault: bool = True) -> nnw.Session:
    def loss_fn(params: Any, batch: Any) -> jax.Array:
        features, heading, present = batch
        direction = vectors(params, features)
        if not fault:
            direction = jnp.where(present[..., None], direction, 1.0)
        angle = jnp.arctan2(direction[..., 1], direction[..., 0])  # the fault
        wrong = 1 - jnp.cos(angle - heading)
        return jnp.where(present, wrong, 0).sum() / present.sum()

    objective = nnw.Objective(loss_fn, init(jax.random.key(seed)))
    return nnw.Session(objective, optax.adam(0.01), data.batches(headings(1, 800), 16, seed), seed=seed)


def error(session: nnw.Session) -> float:
    features, heading, present = headings(2, 300)
    direction = np.asarray(vectors(session.params, features))
    wrong = 1 - np.cos(np.arctan2(direction[..., 1], direction[..., 0]) - heading)
    return float(wrong[present].mean())
