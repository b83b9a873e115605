"""A gate that compares, so that what decides it never learns (google-deepmind/dm-haiku#442, the JAX FAQ on sort order)."""

from __future__ import annotations

import equinox as eqx
import jax
import numpy as np
import optax

import nnwidgets as nnw
from tests.faults import data

GROUP = "gradients"
ACCEPT = {"NonDifferentiable", "ZeroGradient", "DisconnectedParameters"}
WHERE = "gate"
STEPS = 300


class Switch(eqx.Module):
    """A gate chooses between two linear experts."""

    gate: eqx.nn.Linear
    high: eqx.nn.Linear
    low: eqx.nn.Linear
    soft: bool = eqx.field(static=True)

    def __init__(self, key: jax.Array, soft: bool) -> None:
        keys = jax.random.split(key, 3)
        self.gate = eqx.nn.Linear(4, 1, key=keys[0])
        self.high, self.low = (eqx.nn.Linear(4, 1, key=key) for key in keys[1:])
        self.soft = soft

    def __call__(self, x: jax.Array) -> jax.Array:
        score = self.gate(x)
        share = jax.nn.sigmoid(4 * score) if self.soft else (score > 0).astype(x.dtype)  # the fault
        return (share * self.high(x) + (1 - share) * self.low(x))[0]


def two_regimes(seed: int, count: int) -> tuple[data.Array, data.Array]:
    """One linear law on each side of a plane, targets of variance 1."""
    law = np.random.default_rng(26)
    plane, left, right = law.normal(size=(3, 4)) / 2
    inputs = np.random.default_rng(seed).normal(size=(count, 4)).astype(np.float32)
    targets = np.where(inputs @ plane > 0, inputs @ left, inputs @ right)
    return inputs, (targets / targets.std()).astype(np.float32)


def squared(outputs: jax.Array, targets: jax.Array) -> jax.Array:
    return optax.l2_loss(outputs, targets).mean()


def build(seed: int = 0, fault: bool = True) -> nnw.Session:
    objective = nnw.from_equinox(Switch(jax.random.key(seed), soft=not fault), squared)
    return nnw.Session(objective, optax.adam(0.05), data.batches(two_regimes(0, 800), 40, seed), seed=seed)


def error(session: nnw.Session) -> float:
    inputs, targets = two_regimes(1, 400)
    predicted = np.asarray(jax.vmap(session.model)(inputs))
    return float(np.mean((predicted - targets) ** 2) / targets.var())
