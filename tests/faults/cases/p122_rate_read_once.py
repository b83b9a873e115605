"""The learning rate is raised after a few steps, but the compiled step keeps the one it read first (Sharp Bits)."""

from __future__ import annotations

import equinox as eqx
import jax
import numpy as np
import optax

import nnwidgets as nnw
from tests.faults import data

GROUP = "speed"
ACCEPT = {"LearningRateTooLow", "UpdateRatio", "StillImproving"}
WHERE = ""
STEPS = 200


def cross_entropy(logits, labels):
    return optax.softmax_cross_entropy_with_integer_labels(logits, labels).mean()


def run(seed: int = 0, fault: bool = True, steps: int = STEPS) -> tuple[nnw.Monitor, float]:
    train, (test_inputs, test_labels) = data.blobs(222, classes=5)
    model = eqx.nn.MLP(10, 5, width_size=40, depth=1, key=jax.random.key(seed))
    monitor = nnw.Monitor(nnw.from_equinox(model, cross_entropy), seed=seed)
    params, static = eqx.partition(model, eqx.is_inexact_array)
    settings = {"learning rate": 1e-5}

    def optimizer(learning_rate):
        return monitor.instrument(optax.adam(learning_rate))

    @jax.jit
    def train_step(params, opt_state, batch, learning_rate):
        def loss_fn(params):
            return cross_entropy(jax.vmap(eqx.combine(params, static))(batch[0]), batch[1])

        loss, grads = jax.value_and_grad(loss_fn)(params)
        rate = settings["learning rate"] if fault else learning_rate
        updates, opt_state = optimizer(rate).update(grads, opt_state, params)
        return optax.apply_updates(params, updates), opt_state, loss

    opt_state = optimizer(settings["learning rate"]).init(params)
    for batch in monitor.steps(data.batches(train, 50, seed), steps):
        if monitor.step == 10:
            settings["learning rate"] = 5e-3
        params, opt_state, loss = train_step(params, opt_state, batch, settings["learning rate"])
        opt_state = monitor.record(loss=loss, params=params, opt_state=opt_state, batch=batch)

    logits = jax.vmap(eqx.combine(params, static))(test_inputs)
    return monitor, float(np.mean(np.argmax(logits, -1) != test_labels))


def error(result: tuple[nnw.Monitor, float]) -> float:
    return result[1]
