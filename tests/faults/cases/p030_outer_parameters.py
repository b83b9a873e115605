"""A loss that reads the parameters of the enclosing scope and ignores its argument (no public source found)."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax

import nnwidgets as nnw
from tests.faults import data

GROUP = "gradients"
ACCEPT = {"LossIgnoresParameters", "DisconnectedParameters", "ZeroGradient"}
WHERE = ""
STEPS = 200


def make_params(seed: int) -> dict[str, jax.Array]:
    rng = np.random.default_rng(seed)
    return {
        "W1": jnp.asarray(rng.normal(0, 0.45, (5, 24)), jnp.float32),
        "c1": jnp.zeros(24),
        "W2": jnp.asarray(rng.normal(0, 0.2, (24, 1)), jnp.float32),
        "c2": jnp.zeros(1),
    }


def forward(p: Any, x: Any) -> jax.Array:
    return (jax.nn.silu(x @ p["W1"] + p["c1"]) @ p["W2"] + p["c2"]).squeeze(-1)


def build(seed: int = 0, fault: bool = True) -> nnw.Session:
    params = make_params(seed)

    def mse(p: Any, batch: Any) -> jax.Array:
        x, y = batch
        predicted = forward(params if fault else p, x)  # the fault
        return jnp.square(predicted - y).mean()

    split = data.curve(30)
    batches = data.batches(split.train, 30, seed)
    return nnw.Session(nnw.Objective(mse, params), optax.adam(0.02), batches, validation=[split.test], seed=seed)


def error(session: nnw.Session) -> float:
    x, y = data.curve(30).test
    return float(np.mean((np.asarray(forward(session.params, x)) - y) ** 2) / y.var())
