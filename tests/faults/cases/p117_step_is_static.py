"""The step's number is a static argument of the compiled step, which is compiled anew for each (cgiovanetti/LINX#13)."""

from __future__ import annotations

import functools

import jax
import jax.numpy as jnp
import optax

import nnwidgets as nnw
from tests.faults import data

GROUP = "speed"
ACCEPT = {"Recompiles"}
WHERE = ""
STEPS = 15


def initialize(key):
    first, second = jax.random.split(key)
    return {
        "hidden": {"w": 0.5 * jax.random.normal(first, (3, 48)), "b": jnp.zeros(48)},
        "output": {"w": 0.14 * jax.random.normal(second, (48, 1)), "b": jnp.zeros(1)},
    }


def run(seed: int = 0, fault: bool = True, steps: int = STEPS) -> tuple[nnw.Monitor, float]:
    train, _ = data.curve(117, features=3)
    params = initialize(jax.random.key(seed))

    def loss_fn(params, batch):
        inputs, targets = batch
        hidden = jnp.tanh(inputs @ params["hidden"]["w"] + params["hidden"]["b"])
        predictions = (hidden @ params["output"]["w"] + params["output"]["b"])[:, 0]
        return jnp.mean((predictions - targets) ** 2)

    monitor = nnw.Monitor(nnw.Objective(loss_fn, params), seed=seed)
    tx = monitor.instrument(optax.adam(0.01))
    opt_state = tx.init(params)

    @functools.partial(jax.jit, static_argnames="step" if fault else ())
    def train_step(params, opt_state, batch, step):
        loss, grads = jax.value_and_grad(loss_fn)(params, batch)
        updates, opt_state = tx.update(grads, opt_state, params)
        # smaller and smaller steps
        updates = jax.tree.map(lambda update: update / (1 + 0.02 * step), updates)
        return optax.apply_updates(params, updates), opt_state, loss

    for batch in monitor.steps(data.batches(train, 50, seed), steps):
        params, opt_state, loss = train_step(params, opt_state, batch, monitor.step)
        opt_state = monitor.record(loss=loss, params=params, opt_state=opt_state, batch=batch)

    return monitor, float(train_step._cache_size())


def error(result: tuple[nnw.Monitor, float]) -> float:
    """How often the step was compiled."""
    return result[1]
