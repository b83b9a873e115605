"""A gate of 0 times an exponential that overflows: NaN from finite inputs (jax-ml/jax#23625)."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax

import nnwidgets as nnw
from tests.faults import data

GROUP = "nan"
ACCEPT = {"NonFinite"}
WHERE = ""
STEPS = 200


def rates(params: Any, age: Any, gate: Any, fault: bool) -> jax.Array:
    """The rate of each kind now: what is left of every event, whose gate is 0 if it is yet to come."""
    decay = jnp.exp(params["log_decay"])
    if fault:
        left = gate[..., None] * jnp.exp(-decay * age[..., None])  # the fault
    else:
        left = gate[..., None] * jnp.exp(-decay * jnp.maximum(age, 0)[..., None])
    return params["base"] + left.sum(1) @ params["mix"]


def recordings(seed: int, count: int) -> tuple[data.Array, ...]:
    """The age of 32 events at some time, 1 for those that were before it, and the rates of two kinds, with noise."""
    rng = np.random.default_rng(seed)
    events, now = rng.uniform(0, 40, (count, 32)), rng.uniform(5, 40, count)
    age = now[:, None] - events
    left = np.where(age[..., None] > 0, np.exp(-np.array([6.0, 0.4]) * np.maximum(age, 0)[..., None]), 0).sum(1)
    seen = left @ np.array([[1.0, -0.6], [0.4, 0.9]]) + 0.02 * rng.normal(size=(count, 2))
    return age.astype(np.float32), (age > 0).astype(np.float32), seen.astype(np.float32)


def build(seed: int = 0, fault: bool = True) -> nnw.Session:
    key = jax.random.key(seed)
    params = {
        "log_decay": jnp.array([0.7, 0.0]),
        "base": jnp.zeros(2),
        "mix": jnp.eye(2) + 0.1 * jax.random.normal(key, (2, 2)),
    }

    def loss_fn(params: Any, batch: Any) -> jax.Array:
        age, gate, seen = batch
        return jnp.mean((rates(params, age, gate, fault) - seen) ** 2)

    batches = data.batches(recordings(0, 1000), 50, seed)
    return nnw.Session(nnw.Objective(loss_fn, params), optax.adam(0.05), batches, seed=seed)


def error(session: nnw.Session) -> float:
    age, gate, seen = recordings(1, 400)
    predicted = np.asarray(rates(session.params, age, gate, fault=False))
    return float(np.mean((predicted - seen) ** 2) / seen.var())
