"""A compiled function that captures the NNX model keeps its first weights, so all gradients are old (google/flax#4695)."""

from __future__ import annotations

from typing import Any

import jax
import numpy as np
import optax
from flax import nnx

import nnwidgets as nnw
from tests.faults import data

GROUP = "gradients"
ACCEPT = {"StaleParameters", "LossIgnoresParameters", "NothingLearned", "WrongGradient", "Plateau"}
WHERE = ""
STEPS = 200


class Regressor(nnx.Module):
    def __init__(self, rngs: nnx.Rngs) -> None:
        self.hidden, self.out = nnx.Linear(5, 32, rngs=rngs), nnx.Linear(32, 1, rngs=rngs)

    def __call__(self, x: jax.Array) -> jax.Array:
        return self.out(nnx.tanh(self.hidden(x)))[:, 0]


def run(seed: int = 0, fault: bool = True, steps: int = STEPS) -> tuple[nnw.Monitor, float]:
    model, split = Regressor(nnx.Rngs(seed)), data.curve(35)
    graph, start = nnx.split(model, nnx.Param)

    def squared(params: Any, batch: Any) -> jax.Array:
        return optax.l2_loss(nnx.merge(graph, params)(batch[0]), batch[1]).mean()

    monitor = nnw.Monitor(nnw.Objective(squared, start), seed=seed)
    tx = monitor.instrument(optax.adam(0.02))
    opt_state = tx.init(start)

    @jax.jit
    def gradient_of_captured(batch: Any) -> Any:
        return jax.value_and_grad(squared)(nnx.state(model, nnx.Param), batch)

    @jax.jit
    def gradient_of_given(params: Any, batch: Any) -> Any:
        return jax.value_and_grad(squared)(params, batch)

    @jax.jit
    def update(grads: Any, opt_state: Any, params: Any) -> Any:
        updates, opt_state = tx.update(grads, opt_state, params)
        return optax.apply_updates(params, updates), opt_state

    for batch in monitor.steps(data.batches(split.train, 40, seed), steps):
        params = nnx.state(model, nnx.Param)
        loss, grads = gradient_of_captured(batch) if fault else gradient_of_given(params, batch)
        params, opt_state = update(grads, opt_state, params)
        nnx.update(model, params)
        opt_state = monitor.record(loss=loss, params=params, opt_state=opt_state, batch=batch)
    inputs, targets = split.test
    return monitor, float(np.mean((np.asarray(model(inputs)) - targets) ** 2) / targets.var())


def error(result: tuple[nnw.Monitor, float]) -> float:
    return result[1]
