"""A setting that the compiled step read once: to let the body learn later has no effect (JAX's Sharp Bits)."""

from __future__ import annotations

import functools

import jax
import jax.numpy as jnp
import numpy as np
import optax

import nnwidgets as nnw
from tests.faults import data

GROUP = "speed"
ACCEPT = {"FrozenParameters", "NothingChanges"}
WHERE = "body"
STEPS = 300
HEAD_ALONE = 30


def initialize(key):
    first, second, third = jax.random.split(key, 3)
    return {
        "body": [
            {"w": jax.random.normal(first, (4, 16)) * 0.7, "b": jnp.zeros(16)},
            {"w": jax.random.normal(second, (16, 16)) * 0.35, "b": jnp.zeros(16)},
        ],
        "head": {"w": jax.random.normal(third, (16, 1)) * 0.25, "b": jnp.zeros(1)},
    }


def predict(params, x):
    for layer in params["body"]:
        x = jax.nn.relu(x @ layer["w"] + layer["b"])
    return (x @ params["head"]["w"] + params["head"]["b"])[:, 0]


def loss_fn(params, batch):
    inputs, targets = batch
    return jnp.mean((predict(params, inputs) - targets) ** 2)


def run(seed: int = 0, fault: bool = True, steps: int = STEPS) -> tuple[nnw.Monitor, float]:
    train, (test_inputs, test_targets) = data.curve(122, features=4)
    params = initialize(jax.random.key(seed))
    monitor = nnw.Monitor(nnw.Objective(loss_fn, params), seed=seed)
    tx = monitor.instrument(optax.adam(0.01))
    opt_state = tx.init(params)
    settings = {"body learns": False}

    def step(params, opt_state, batch, body_learns):
        loss, grads = jax.value_and_grad(loss_fn)(params, batch)
        if not body_learns:
            grads = grads | {"body": jax.tree.map(jnp.zeros_like, grads["body"])}
        updates, opt_state = tx.update(grads, opt_state, params)
        return optax.apply_updates(params, updates), opt_state, loss

    if fault:
        train_step = jax.jit(lambda params, opt_state, batch: step(params, opt_state, batch, settings["body learns"]))
    else:
        compiled = jax.jit(step, static_argnames="body_learns")
        train_step = functools.partial(_with_setting, compiled, settings)

    for batch in monitor.steps(data.epochs(train, 50, seed), steps):
        settings["body learns"] = monitor.step >= HEAD_ALONE
        params, opt_state, loss = train_step(params, opt_state, batch)
        opt_state = monitor.record(loss=loss, params=params, opt_state=opt_state, batch=batch)

    return monitor, float(np.mean((predict(params, test_inputs) - test_targets) ** 2) / np.var(test_targets))


def _with_setting(compiled, settings, *arguments):
    return compiled(*arguments, body_learns=settings["body learns"])


def error(result: tuple[nnw.Monitor, float]) -> float:
    return result[1]
