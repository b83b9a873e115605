"""One ReLU unit and a sigmoid output for targets of both signs (Stack Overflow 62313327)."""

from __future__ import annotations

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax

import nnwidgets as nnw
from tests.faults import data

GROUP = "head"
ACCEPT = {"OutputRange"}
WHERE = "head"
STEPS = 200


class Bottleneck(eqx.Module):
    down: eqx.nn.Linear
    head: eqx.nn.Linear
    linear: bool = eqx.field(static=True)

    def __init__(self, linear: bool, key: jax.Array) -> None:
        keys = jax.random.split(key)
        self.down, self.head = eqx.nn.Linear(30, 1, key=keys[0]), eqx.nn.Linear(1, 1, key=keys[1])
        self.linear = linear

    def __call__(self, x: jax.Array) -> jax.Array:
        if self.linear:
            return self.head(self.down(x))[0]
        return jax.nn.sigmoid(self.head(jax.nn.relu(self.down(x))))[0]  # the fault


def loss(outputs: jax.Array, targets: jax.Array) -> jax.Array:
    return optax.squared_error(outputs, targets).mean()


def build(seed: int = 0, fault: bool = True) -> nnw.Session:
    inputs = np.random.default_rng(seed).uniform(-1, 1, (5000, 30)).astype(np.float32)
    targets = inputs[:, 0] + np.random.default_rng(seed + 1).normal(0, 0.1, 5000).astype(np.float32)
    train, test = (inputs[:4000], targets[:4000]), (inputs[4000:], targets[4000:])
    session = nnw.Session(
        nnw.from_equinox(Bottleneck(not fault, jax.random.key(seed)), loss),
        optax.adam(0.01),
        data.batches(train, 100, seed),
        validation=[test],
        seed=seed,
    )
    session.held_out = test
    return session


def error(session: nnw.Session) -> float:
    inputs, targets = session.held_out
    return float(jnp.mean((jax.vmap(session.model)(inputs) - targets) ** 2) / targets.var())
