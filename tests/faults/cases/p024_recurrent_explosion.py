"""A linear recurrent network whose matrix is too large: 100 steps overflow (known from google-research/tuning_playbook)."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax

import nnwidgets as nnw
from tests.faults import data

GROUP = "nan"
ACCEPT = {"NonFinite", "ExplodingGradient", "InitializationScale"}
WHERE = ""
STEPS = 200
UNITS = 16


def init(key: jax.Array, fault: bool) -> dict[str, jax.Array]:
    first, second, third = jax.random.split(key, 3)
    if fault:
        again = 0.5 * jax.random.normal(second, (UNITS, UNITS))
    else:
        again = 0.9 * jax.nn.initializers.orthogonal()(second, (UNITS, UNITS))
    return {
        "enter": jax.random.normal(first, (2, UNITS)) / 2**0.5,
        "again": again,
        "leave": 0.3 * jax.random.normal(third, (UNITS,)) / UNITS**0.5,
    }


def read(params: Any, sequences: Any) -> jax.Array:
    """One number for each sequence (n, 100, 2), from the last hidden state."""

    def step(hidden: jax.Array, x: jax.Array) -> tuple[jax.Array, None]:
        return hidden @ params["again"] + x @ params["enter"], None

    start = jnp.zeros((sequences.shape[0], UNITS))
    hidden, _ = jax.lax.scan(step, start, jnp.swapaxes(sequences, 0, 1))
    return hidden @ params["leave"]


def squared(params: Any, batch: Any) -> jax.Array:
    sequences, targets = batch
    return jnp.mean((read(params, sequences) - targets) ** 2)


def memories(seed: int, count: int) -> tuple[data.Array, data.Array]:
    """Sequences, and a sum that forgets: 0.8 to the age, of variance 1."""
    sequences = np.random.default_rng(seed).normal(size=(count, 100, 2))
    weights = 0.8 ** np.arange(99, -1, -1)
    targets = (sequences @ [0.5, -0.33]) @ weights
    return sequences.astype(np.float32), targets.astype(np.float32)


def build(seed: int = 0, fault: bool = True) -> nnw.Session:
    objective = nnw.Objective(squared, init(jax.random.key(seed), fault))
    return nnw.Session(objective, optax.adam(3e-3), data.batches(memories(0, 640), 32, seed), seed=seed)


def error(session: nnw.Session) -> float:
    sequences, targets = memories(1, 300)
    return float(np.mean((np.asarray(read(session.params, sequences)) - targets) ** 2) / targets.var())
