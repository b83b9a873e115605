"""The mean is over the outputs, not the batch: the loss is a vector (one of TheDeepChecker's synthetic faults)."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import optax

import nnwidgets as nnw
from tests.faults import data

GROUP = "steps"
ACCEPT: set[str] = set()
WHERE = ""
STEPS = 200
EXPECT = "the loss has shape (32,), wanted a scalar"


def loss_fn(params, batch):
    x, y = batch
    prediction = jax.nn.relu(x @ params["in"]) @ params["out"]
    return jnp.mean((prediction - y[:, None]) ** 2, axis=-1)  # the fault


def loud() -> None:
    train, _ = data.curve(0)
    first, second = jax.random.split(jax.random.key(0))
    params = {"in": 0.5 * jax.random.normal(first, (5, 16)), "out": 0.3 * jax.random.normal(second, (16, 1))}
    nnw.Session(nnw.Objective(loss_fn, params), optax.adam(1e-2), data.batches(train, 32)).run(STEPS)
