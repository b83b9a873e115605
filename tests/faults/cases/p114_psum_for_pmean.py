"""Eight replicas add up their gradients with psum where pmean was meant: the step is 8 times as long (jax#3970)."""

from __future__ import annotations

import functools

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import optax

import nnwidgets as nnw
from tests.faults import data

GROUP = "devices"
ACCEPT = {
    "GradientMismatch",
    "AccumulationScale",
    "WrongGradient",
    "LearningRateTooHigh",
    "Divergence",
    "Oscillation",
    "ExplodingGradient",
}
WHERE = ""
STEPS = 200
REPLICAS = 8


class Network(nn.Module):
    @nn.compact
    def __call__(self, x):
        x = nn.silu(nn.Dense(48)(x))
        x = nn.silu(nn.Dense(48)(x))
        return nn.Dense(1)(x)[:, 0]


def mean_squared_error(predictions, targets):
    return jnp.mean((predictions - targets) ** 2)


def run(seed: int = 0, fault: bool = True, steps: int = STEPS) -> tuple[nnw.Monitor, float]:
    train, (test_inputs, test_targets) = data.curve(114, features=2)
    model = Network()
    variables = model.init(jax.random.key(seed), train[0][:1])
    monitor = nnw.Monitor(nnw.from_linen(model, variables, mean_squared_error), seed=seed)
    tx = monitor.instrument(optax.sgd(0.1, momentum=0.9))
    params = variables["params"]
    opt_state = tx.init(params)
    average = jax.lax.psum if fault else jax.lax.pmean

    # a batch is split among replicas, which run on one device here
    @jax.jit
    @functools.partial(jax.vmap, in_axes=(None, None, 0), out_axes=None, axis_name="replicas")
    def train_step(params, opt_state, batch):
        def loss_fn(params):
            return mean_squared_error(model.apply({"params": params}, batch[0]), batch[1])

        loss, grads = jax.value_and_grad(loss_fn)(params)
        grads, loss = average(grads, "replicas"), jax.lax.pmean(loss, "replicas")
        updates, opt_state = tx.update(grads, opt_state, params)
        return optax.apply_updates(params, updates), opt_state, loss

    for batch in monitor.steps(data.epochs(train, 64, seed), steps):
        split = jax.tree.map(lambda part: part.reshape(REPLICAS, -1, *part.shape[1:]), batch)
        params, opt_state, loss = train_step(params, opt_state, split)
        opt_state = monitor.record(loss=loss, params=params, opt_state=opt_state, batch=batch)

    predictions = np.asarray(model.apply({"params": params}, test_inputs))
    return monitor, float(np.mean((predictions - test_targets) ** 2) / np.var(test_targets))


def error(result: tuple[nnw.Monitor, float]) -> float:
    return result[1]
