"""The loss is the sum over the batch, and the learning rate is one for the mean (Stack Overflow 43611745)."""

from __future__ import annotations

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax

import nnwidgets as nnw
from tests.faults import data

GROUP = "steps"
ACCEPT = {"SumOverBatch", "LearningRateTooHigh", "Divergence", "NonFinite", "ExplodingGradient", "Oscillation"}
WHERE = ""
STEPS = 200


class Regressor(eqx.Module):
    layers: list[eqx.nn.Linear]

    def __init__(self, key):
        keys = jax.random.split(key, 3)
        self.layers = [eqx.nn.Linear(n, m, key=k) for n, m, k in zip((4, 32, 32), (32, 32, 1), keys, strict=True)]

    def __call__(self, x):
        for layer in self.layers[:-1]:
            x = jax.nn.silu(layer(x))
        return self.layers[-1](x)[0]


def summed(predictions, targets):
    return jnp.sum(jnp.square(predictions - targets))  # the fault


def averaged(predictions, targets):
    return jnp.mean(jnp.square(predictions - targets))


def build(seed: int = 0, fault: bool = True) -> nnw.Session:
    train, test = data.curve(seed, features=4, count=1024)
    train = (2 * train[0], train[1])
    session = nnw.Session(
        nnw.from_equinox(Regressor(jax.random.key(seed)), summed if fault else averaged),
        optax.sgd(0.05, momentum=0.9),
        data.batches(train, 128, seed),
        seed=seed,
    )
    session.held_out = 2 * test[0], test[1]
    return session


def error(session: nnw.Session) -> float:
    inputs, targets = session.held_out
    return float(np.mean((np.asarray(jax.vmap(session.model)(inputs), float) - targets) ** 2) / np.var(targets))
