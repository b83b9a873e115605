"""`apply_gradients` gives a new state that nobody keeps (like FluxML/Flux.jl#2121): the same loss for ever."""

from __future__ import annotations

from typing import Any

import flax.linen as nn
import jax
import numpy as np
import optax
from flax.training.train_state import TrainState

import nnwidgets as nnw
from tests.faults import data

GROUP = "gradients"
ACCEPT = {"NothingChanges", "FrozenParameters"}
WHERE = ""
STEPS = 200


class Net(nn.Module):
    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        return nn.Dense(4)(nn.relu(nn.Dense(24)(x)))


def run(seed: int = 0, fault: bool = True, steps: int = STEPS) -> tuple[nnw.Monitor, float]:
    split, model = data.blobs(33), Net()
    params: Any = model.init(jax.random.key(seed), split.train[0][:1])["params"]

    def loss_fn(params: Any, batch: Any) -> jax.Array:
        logits = model.apply({"params": params}, batch[0])
        return optax.softmax_cross_entropy_with_integer_labels(logits, batch[1]).mean()

    monitor = nnw.Monitor(nnw.Objective(loss_fn, params), seed=seed)
    tx = monitor.instrument(optax.adam(3e-3))
    state = TrainState.create(apply_fn=model.apply, params=params, tx=tx)

    @jax.jit
    def gradients(state: TrainState, batch: Any) -> Any:
        return jax.value_and_grad(loss_fn)(state.params, batch)

    for batch in monitor.steps(data.batches(split.train, 30, seed), steps):
        loss, grads = gradients(state, batch)
        after = state.apply_gradients(grads=grads)
        if not fault:
            state = after
        monitor.record(loss=loss, params=state.params, opt_state=state, batch=batch)
    inputs, labels = split.test
    logits = model.apply({"params": state.params}, inputs)
    return monitor, float(np.mean(np.argmax(np.asarray(logits), -1) != labels))


def error(result: tuple[nnw.Monitor, float]) -> float:
    return result[1]
