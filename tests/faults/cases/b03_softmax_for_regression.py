"""A softmax over one unit predicts a number in the thousands, and nothing is scaled (Stack Overflow 33969059)."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import optax

import nnwidgets as nnw
from tests.faults import data

GROUP = "head"
ACCEPT = {"OneUnitSoftmax", "OutputRange", "TargetScale", "InputScale"}
WHERE = ""
STEPS = 200


def prices(seed: int) -> tuple[np.ndarray, np.ndarray]:
    inputs = np.random.default_rng(seed).uniform(0, 10_000, (1400, 3)).astype(np.float32)
    targets = inputs @ np.array([2, 1, 0.5], np.float32) + np.float32(2.2)
    return inputs, targets[:, None]


def standardised(values: np.ndarray) -> np.ndarray:
    return (values - values[:1000].mean(0)) / values[:1000].std(0)


def dense(key: jax.Array, inputs: int, outputs: int) -> dict[str, jax.Array]:
    return {"w": jax.random.normal(key, (inputs, outputs)) / jnp.sqrt(inputs), "b": jnp.zeros(outputs)}


def hidden(params: dict, x: jax.Array) -> jax.Array:
    for name in ("first", "second"):
        x = jnp.tanh(x @ params[name]["w"] + params[name]["b"])
    return x @ params["out"]["w"] + params["out"]["b"]


def share(params: dict, x: jax.Array) -> jax.Array:
    return jax.nn.softmax(hidden(params, x))  # the fault


def build(seed: int = 0, fault: bool = True) -> nnw.Session:
    inputs, targets = prices(seed)
    if not fault:
        inputs, targets = standardised(inputs), standardised(targets)
    model = share if fault else hidden

    def mean_squared_error(params: dict, batch: tuple) -> jax.Array:
        x, y = batch
        return jnp.mean((model(params, x) - y) ** 2)

    keys = jax.random.split(jax.random.key(seed), 3)
    params = {"first": dense(keys[0], 3, 12), "second": dense(keys[1], 12, 8), "out": dense(keys[2], 8, 1)}
    session = nnw.Session(
        nnw.Objective(mean_squared_error, params),
        optax.sgd(0.03, momentum=0.9, nesterov=True),
        data.batches((inputs[:1000], targets[:1000]), 50, seed),
        validation=[(inputs[1000:], targets[1000:])],
        seed=seed,
    )
    session.held_out = model, inputs[1000:], targets[1000:]
    return session


def error(session: nnw.Session) -> float:
    model, inputs, targets = session.held_out
    return float(np.mean((model(session.params, inputs) - targets) ** 2) / targets.var())
