"""The mean over the batch comes before the square: errors cancel (after TheDeepChecker's synthetic faults)."""

from __future__ import annotations

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import optax

import nnwidgets as nnw
from tests.faults import data

GROUP = "steps"
ACCEPT = {"MeanBeforeLoss", "RowsMixed", "InputIgnored", "NothingLearned"}
WHERE = ""
STEPS = 200


class Regressor(nn.Module):
    @nn.compact
    def __call__(self, x):
        x = nn.swish(nn.Dense(40)(x))
        x = nn.swish(nn.Dense(40)(x))
        return nn.Dense(1)(x)


def distance(outputs, targets, fault):
    residual = outputs - targets[:, None]
    if fault:
        return jnp.sum(jnp.mean(residual, axis=0) ** 2)  # the fault
    return jnp.mean(jnp.sum(residual**2, axis=1))


def build(seed: int = 0, fault: bool = True) -> nnw.Session:
    train, test = data.curve(seed, features=5, count=800)
    model = Regressor()
    session = nnw.Session(
        nnw.from_linen(
            model,
            model.init(jax.random.key(seed), train[0][:1]),
            lambda outputs, targets: distance(outputs, targets, fault),
        ),
        optax.adam(5e-3),
        data.batches(train, 40, seed),
        validation=data.batches(test, 100),
        seed=seed,
    )
    session.held_out = test
    return session


def error(session: nnw.Session) -> float:
    x, y = session.held_out
    return float(np.mean((np.asarray(Regressor().apply(session.model, x))[:, 0] - y) ** 2) / np.var(y))
