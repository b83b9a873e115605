"""Every step sees one single row (Stack Overflow 41600519)."""

from __future__ import annotations

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax

import nnwidgets as nnw
from tests.faults import data

GROUP = "steps"
ACCEPT = {"BatchTooSmall", "Oscillation"}
WHERE = ""
STEPS = 300


def mean_squared_error(predictions, targets):
    return jnp.mean((predictions[:, 0] - targets) ** 2)


def build(seed: int = 0, fault: bool = True) -> nnw.Session:
    train, test = data.curve(seed, features=6, count=960, noise=0.3)
    model = eqx.nn.MLP(6, 1, 48, 2, activation=jax.nn.tanh, key=jax.random.key(seed))
    session = nnw.Session(
        nnw.from_equinox(model, mean_squared_error),
        optax.adam(0.01),
        data.epochs(train, 1 if fault else 32, seed),
        validation=data.batches(test, 100),
        seed=seed,
    )
    session.held_out = test
    return session


def error(session: nnw.Session) -> float:
    inputs, targets = session.held_out
    predictions = jax.vmap(session.model)(inputs)[:, 0]
    return float(np.mean((predictions - targets) ** 2) / np.var(targets))
