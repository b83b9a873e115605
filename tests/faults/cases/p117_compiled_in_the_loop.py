"""jax.jit is called inside the loop on a new function each time, so that every step is compiled (jax-ml/jax#1832)."""

from __future__ import annotations

import time

import flax.linen as nn
import jax
import numpy as np
import optax

import nnwidgets as nnw
from tests.faults import data

GROUP = "speed"
ACCEPT = {"Recompiles"}
WHERE = ""
STEPS = 15


class Network(nn.Module):
    @nn.compact
    def __call__(self, x):
        x = nn.relu(nn.Dense(32)(x))
        return nn.Dense(3)(x)


def cross_entropy(logits, labels):
    return optax.softmax_cross_entropy_with_integer_labels(logits, labels).mean()


def run(seed: int = 0, fault: bool = True, steps: int = STEPS) -> tuple[nnw.Monitor, float]:
    train, _ = data.blobs(217, classes=3)
    model = Network()
    variables = model.init(jax.random.key(seed), train[0][:1])
    monitor = nnw.Monitor(nnw.from_linen(model, variables, cross_entropy), seed=seed)
    tx = monitor.instrument(optax.sgd(0.1, momentum=0.9))
    params, opt_state = variables["params"], tx.init(variables["params"])

    def make_step():
        @jax.jit
        def train_step(params, opt_state, inputs, labels):
            def loss_fn(params):
                return cross_entropy(model.apply({"params": params}, inputs), labels)

            loss, grads = jax.value_and_grad(loss_fn)(params)
            updates, opt_state = tx.update(grads, opt_state, params)
            return optax.apply_updates(params, updates), opt_state, loss

        return train_step

    train_step, seconds = make_step(), []
    for batch in monitor.steps(data.batches(train, 40, seed), steps):
        if fault:
            train_step = make_step()
        started = time.perf_counter()
        params, opt_state, loss = train_step(params, opt_state, *batch)
        jax.block_until_ready(loss)
        seconds.append(time.perf_counter() - started)
        opt_state = monitor.record(loss=loss, params=params, opt_state=opt_state, batch=batch)

    return monitor, float(np.median(seconds))


def error(result: tuple[nnw.Monitor, float]) -> float:
    """Seconds that a step takes."""
    return result[1]
