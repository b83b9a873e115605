"""The loop computes updates and never applies them (FluxML/Flux.jl#2121)."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import optax

import nnwidgets as nnw
from tests.faults import data

GROUP = "steps"
ACCEPT = {"NothingChanges", "FrozenParameters", "NothingLearned"}
WHERE = ""
STEPS = 200


def initialize(key):
    first, second = jax.random.split(key)
    return {
        "hidden": {"w": jax.random.normal(first, (10, 32)) * 0.45, "b": jnp.zeros(32)},
        "output": {"w": jax.random.normal(second, (32, 4)) * 0.18, "b": jnp.zeros(4)},
    }


def logits_of(params, x):
    hidden = jax.nn.relu(x @ params["hidden"]["w"] + params["hidden"]["b"])
    return hidden @ params["output"]["w"] + params["output"]["b"]


def loss_fn(params, batch):
    inputs, labels = batch
    return optax.softmax_cross_entropy_with_integer_labels(logits_of(params, inputs), labels).mean()


def run(seed: int = 0, fault: bool = True, steps: int = STEPS) -> tuple[nnw.Monitor, float]:
    (inputs, labels), (test_inputs, test_labels) = data.blobs(33)
    params = initialize(jax.random.key(seed))
    monitor = nnw.Monitor(nnw.Objective(loss_fn, params), seed=seed)
    tx = monitor.instrument(optax.adam(3e-3))
    opt_state = tx.init(params)

    @jax.jit
    def train_step(params, opt_state, batch):
        loss, grads = jax.value_and_grad(loss_fn)(params, batch)
        updates, opt_state = tx.update(grads, opt_state, params)
        new_params = params if fault else optax.apply_updates(params, updates)
        return new_params, opt_state, loss

    for batch in monitor.steps(data.batches((inputs, labels), 50, seed), steps):
        params, opt_state, loss = train_step(params, opt_state, batch)
        opt_state = monitor.record(loss=loss, params=params, opt_state=opt_state, batch=batch)

    return monitor, float(np.mean(np.argmax(logits_of(params, test_inputs), -1) != test_labels))


def error(result: tuple[nnw.Monitor, float]) -> float:
    return result[1]
