"""A softmax over one unit under a binary cross-entropy with targets between 0 and 1 (Stack Overflow 45337371)."""

from __future__ import annotations

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax

import nnwidgets as nnw
from tests.faults import data

GROUP = "head"
ACCEPT = {"OneUnitSoftmax", "OutputRange"}
WHERE = "layers/2"
STEPS = 200


class Network(eqx.Module):
    layers: list[eqx.nn.Linear]
    softmax: bool = eqx.field(static=True)

    def __init__(self, features: int, softmax: bool, key: jax.Array) -> None:
        sizes = (features, 60, 50, 1)
        keys = jax.random.split(key, 3)
        self.layers = [eqx.nn.Linear(n, m, key=k) for n, m, k in zip(sizes[:-1], sizes[1:], keys, strict=True)]
        self.softmax = softmax

    def __call__(self, x: jax.Array) -> jax.Array:
        for layer in self.layers[:-1]:
            x = jax.nn.relu(layer(x))
        if self.softmax:
            return jax.nn.softmax(self.layers[-1](x))  # the fault
        return jax.nn.sigmoid(self.layers[-1](x))


def binary_cross_entropy(outputs: jax.Array, targets: jax.Array) -> jax.Array:
    outputs = jnp.clip(outputs, 1e-7, 1 - 1e-7)
    return -jnp.mean(targets * jnp.log(outputs) + (1 - targets) * jnp.log1p(-outputs))


def between_zero_and_one(part: tuple[np.ndarray, np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    inputs, targets = part
    return (inputs + 1) / 2, 1 / (1 + np.exp(-2 * targets[:, None]))


def build(seed: int = 0, fault: bool = True) -> nnw.Session:
    split = data.curve(seed, features=2, count=1000)
    train, test = between_zero_and_one(split.train), between_zero_and_one(split.test)
    model = Network(2, fault, jax.random.key(seed))
    session = nnw.Session(
        nnw.from_equinox(model, binary_cross_entropy),
        optax.adam(5e-3),
        data.batches(train, 50, seed),
        validation=[test],
        seed=seed,
    )
    session.held_out = test
    return session


def error(session: nnw.Session) -> float:
    inputs, targets = session.held_out
    return float(np.mean((jax.vmap(session.model)(inputs) - targets) ** 2) / targets.var())
