"""A batch without a valid target gives 0/0, and Adam keeps the NaN for ever (ooples/AiDotNet#2010)."""

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


def init(key: jax.Array) -> dict[str, jax.Array]:
    first, second = jax.random.split(key)
    return {
        "w1": jax.random.normal(first, (5, 40)) / 5**0.5,
        "b1": jnp.zeros(40),
        "w2": jax.random.normal(second, (40,)) / 40**0.5,
        "b2": jnp.zeros(()),
    }


def predict(params: Any, inputs: Any) -> jax.Array:
    return jnp.tanh(inputs @ params["w1"] + params["b1"]) @ params["w2"] + params["b2"]


def measured(seed: int) -> list[tuple[data.Array, ...]]:
    """Batches of inputs, targets and 1 where they were measured; in one of them nothing was."""
    inputs, targets = data.curve(21).train
    known = np.random.default_rng(seed).uniform(size=len(targets)) < 0.7
    known = known.astype(np.float32)
    batches = data.batches((inputs, targets, known), 25, seed)
    batches[17] = (*batches[17][:2], np.zeros(25, np.float32))
    return batches


def run(seed: int = 0, fault: bool = True, steps: int = STEPS) -> tuple[nnw.Monitor, float]:
    def loss_fn(params: Any, batch: Any) -> jax.Array:
        inputs, targets, known = batch
        wrong = known * (predict(params, inputs) - targets) ** 2
        if fault:
            return wrong.sum() / known.sum()  # the fault
        return wrong.sum() / jnp.maximum(known.sum(), 1)

    params = init(jax.random.key(seed))
    monitor = nnw.Monitor(nnw.Objective(loss_fn, params), seed=seed)
    tx = monitor.instrument(optax.adam(0.02))
    opt_state = tx.init(params)

    @jax.jit
    def train_step(params: Any, opt_state: Any, batch: Any) -> Any:
        loss, grads = jax.value_and_grad(loss_fn)(params, batch)
        updates, opt_state = tx.update(grads, opt_state, params)
        return optax.apply_updates(params, updates), opt_state, loss

    for batch in monitor.steps(measured(seed), steps):
        params, opt_state, loss = train_step(params, opt_state, batch)
        opt_state = monitor.record(loss=loss, params=params, opt_state=opt_state, batch=batch)
    inputs, targets = data.curve(21).test
    return monitor, float(np.mean((np.asarray(predict(params, inputs)) - targets) ** 2) / targets.var())


def error(result: tuple[nnw.Monitor, float]) -> float:
    return result[1]
