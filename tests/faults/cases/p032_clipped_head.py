"""Predictions clipped to 0..1 though the targets lie on both sides of it (of the kind that UMLAUT looks for)."""

from __future__ import annotations

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax

import nnwidgets as nnw
from tests.faults import data

GROUP = "gradients"
ACCEPT = {"OutputRange", "ClippedLoss"}
WHERE = ""
STEPS = 200


class Forecast(eqx.Module):
    trunk: eqx.nn.MLP
    bounded: bool = eqx.field(static=True)

    def __call__(self, x: jax.Array) -> jax.Array:
        y = self.trunk(x)
        if self.bounded:
            y = jnp.clip(y, 0.0, 1.0)  # the fault
        return y


def mean_squared(outputs: jax.Array, targets: jax.Array) -> jax.Array:
    return jnp.mean((outputs - targets) ** 2)


def build(seed: int = 0, fault: bool = True) -> nnw.Session:
    trunk = eqx.nn.MLP(5, "scalar", 32, 2, activation=jax.nn.gelu, key=jax.random.key(seed))
    split = data.curve(32)
    return nnw.Session(
        nnw.from_equinox(Forecast(trunk, fault), mean_squared),
        optax.adam(5e-3),
        data.batches(split.train, 40, seed),
        validation=[split.test],
        seed=seed,
    )


def error(session: nnw.Session) -> float:
    inputs, targets = data.curve(32).test
    model: Any = session.model
    return float(np.mean((np.asarray(jax.vmap(model)(inputs)) - targets) ** 2) / targets.var())
