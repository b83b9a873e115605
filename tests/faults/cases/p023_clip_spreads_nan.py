"""Clipping by the global norm carries the NaN of one tensor into all others (google-deepmind/optax#1752)."""

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


def init(key: jax.Array) -> dict[str, Any]:
    first, second, third = jax.random.split(key, 3)
    return {
        "hidden": {"w": jax.random.normal(first, (4, 32)) * (2 / 4) ** 0.5, "b": jnp.zeros(32)},
        "mean": jax.random.normal(second, (32,)) / 32**0.5,
        "spread": 0.1 * jax.random.normal(third, (4,)),
    }


def predict(params: Any, inputs: Any) -> jax.Array:
    return jax.nn.relu(inputs @ params["hidden"]["w"] + params["hidden"]["b"]) @ params["mean"]


def build(seed: int = 0, fault: bool = True) -> nnw.Session:
    def loss_fn(params: Any, batch: Any) -> jax.Array:
        inputs, targets = batch
        wrong = (predict(params, inputs) - targets) ** 2
        linear = inputs @ params["spread"]
        variance = 0.5 + jnp.sqrt(jnp.maximum(linear, 0 if fault else 1e-4))  # the fault
        return jnp.mean(wrong / variance + jnp.log(variance))

    objective = nnw.Objective(loss_fn, init(jax.random.key(seed)))
    tx = optax.chain(optax.clip_by_global_norm(5.0), optax.adam(0.01))
    return nnw.Session(objective, tx, data.batches(data.curve(23, 4).train, 20, seed), seed=seed)


def error(session: nnw.Session) -> float:
    inputs, targets = data.curve(23, 4).test
    return float(np.mean((np.asarray(predict(session.params, inputs)) - targets) ** 2) / targets.var())
