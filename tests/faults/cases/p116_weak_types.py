"""A learning rate that is now an int, now a float, now a NumPy number compiles the step again each time (jax#4274)."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import optax

import nnwidgets as nnw
from tests.faults import data

GROUP = "speed"
ACCEPT = {"Recompiles"}
WHERE = ""
STEPS = 60
DEPTH = 6


def initialize(key):
    keys = jax.random.split(key, DEPTH + 2)
    blocks = [0.1 * jax.random.normal(key, (32, 32)) for key in keys[:DEPTH]]
    return {
        "in": 0.3 * jax.random.normal(keys[-2], (10, 32)),
        "blocks": blocks,
        "out": 0.18 * jax.random.normal(keys[-1], (32, 4)),
    }


def loss_fn(params, batch):
    x, labels = batch
    x = x @ params["in"]
    for weights in params["blocks"]:
        x = x + jax.nn.gelu(x @ weights)
    return optax.softmax_cross_entropy_with_integer_labels(x @ params["out"], labels).mean()


def learning_rate(step):
    """Nothing for a start, then rising, then from a table, in the end constant."""
    table = np.linspace(3e-3, 1e-3, 40, dtype=np.float32)
    if step == 0:
        return 0
    if step < 20:
        return 3e-3 * step / 20
    return table[step - 20] if step < 50 else float(table[30])


def run(seed: int = 0, fault: bool = True, steps: int = STEPS) -> tuple[nnw.Monitor, float]:
    train, _ = data.blobs(116)
    params = initialize(jax.random.key(seed))
    monitor = nnw.Monitor(nnw.Objective(loss_fn, params), seed=seed)
    tx = monitor.instrument(optax.inject_hyperparams(optax.adam)(learning_rate=3e-3))
    opt_state = tx.init(params)

    @jax.jit
    def train_step(params, opt_state, batch):
        loss, grads = jax.value_and_grad(loss_fn)(params, batch)
        updates, opt_state = tx.update(grads, opt_state, params)
        return optax.apply_updates(params, updates), opt_state, loss

    for batch in monitor.steps(data.batches(train, 40, seed), steps):
        rate = learning_rate(monitor.step)
        opt_state.inner.hyperparams["learning_rate"] = rate if fault else jnp.asarray(rate, jnp.float32)
        params, opt_state, loss = train_step(params, opt_state, batch)
        opt_state = monitor.record(loss=loss, params=params, opt_state=opt_state, batch=batch)

    return monitor, float(train_step._cache_size())


def error(result: tuple[nnw.Monitor, float]) -> float:
    """How often the step was compiled."""
    return result[1]
