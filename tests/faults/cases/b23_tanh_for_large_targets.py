"""A recurrent network with a tanh output is to reach targets from 7 to 12 (Stack Overflow 54811239)."""

from __future__ import annotations

from typing import Any

import flax.linen as linen
import jax
import jax.numpy as jnp
import numpy as np
import optax

import nnwidgets as nnw
from tests.faults import data

GROUP = "head"
ACCEPT = {"OutputRange", "TargetScale"}
WHERE = "Dense_1"
STEPS = 200


class Forecast(linen.Module):
    @linen.compact
    def __call__(self, series: jax.Array) -> jax.Array:
        x: Any = linen.RNN(linen.OptimizedLSTMCell(10))(series)
        x = jnp.tanh(linen.Dense(50)(x[:, -1]))
        return jnp.tanh(linen.Dense(1)(x))  # the fault


def mean_squared_error(outputs: jax.Array, targets: jax.Array) -> jax.Array:
    return ((outputs - targets) ** 2).mean()


def measured(seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Series of three readings of four sensors; the target follows from the newest two, between 7 and 12."""
    rng = np.random.default_rng(seed)
    series = rng.normal(size=(1200, 3, 4)).astype(np.float32)
    signal = series[:, 2] @ rng.normal(size=4) + 0.5 * series[:, 1] @ rng.normal(size=4)
    return series, (9.5 + 2.5 * np.tanh(signal / 2))[:, None].astype(np.float32)


def build(seed: int = 0, fault: bool = True) -> nnw.Session:
    series, targets = measured(seed)
    if not fault:
        targets = (targets - 9.5) / 3
    train, test = (series[:800], targets[:800]), (series[800:], targets[800:])
    model = Forecast()
    session = nnw.Session(
        nnw.from_linen(model, model.init(jax.random.key(seed), series[:1]), mean_squared_error),
        optax.adam(0.01),
        data.batches(train, 50, seed),
        validation=[test],
        seed=seed,
    )
    session.held_out = model, *test
    return session


def error(session: nnw.Session) -> float:
    model, series, targets = session.held_out
    return float(np.mean((model.apply(session.model, series) - targets) ** 2) / targets.var())
