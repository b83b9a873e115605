"""A softmax over one unit for two classes: the answer is always the same class (Stack Overflow 42800203)."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import optax
from flax import nnx

import nnwidgets as nnw
from tests.faults import data

GROUP = "head"
ACCEPT = {"OneUnitSoftmax"}
WHERE = "head"
STEPS = 200


class Tumours(nnx.Module):
    def __init__(self, softmax: bool, rngs: nnx.Rngs) -> None:
        self.first, self.second = nnx.Linear(30, 16, rngs=rngs), nnx.Linear(16, 8, rngs=rngs)
        self.head = nnx.Linear(8, 1, rngs=rngs)
        self.softmax = softmax

    def __call__(self, x: jax.Array) -> jax.Array:
        x = nnx.relu(self.second(nnx.relu(self.first(x))))
        if self.softmax:
            return nnx.softmax(self.head(x))[:, 0]  # the fault
        return nnx.sigmoid(self.head(x))[:, 0]


def cross_entropy(probability: jax.Array, label: jax.Array) -> jax.Array:
    probability = jnp.clip(probability, 1e-6, 1 - 1e-6)
    return -jnp.where(label == 1, jnp.log(probability), jnp.log(1 - probability)).mean()


def benign(part: tuple[np.ndarray, np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    inputs, groups = part
    return inputs, (groups < 5).astype(np.int32)


def build(seed: int = 0, fault: bool = True) -> nnw.Session:
    split = data.blobs(seed, classes=8, features=30, count=569)
    train, test = benign(split.train), benign(split.test)
    session = nnw.Session(
        nnw.from_nnx(Tumours(fault, nnx.Rngs(seed)), cross_entropy),
        optax.rmsprop(2e-3),
        data.epochs(train, 32, seed),
        validation=[test],
        seed=seed,
    )
    session.held_out = test
    return session


def error(session: nnw.Session) -> float:
    inputs, labels = session.held_out
    return float(np.mean((session.model(inputs) > 0.5) != labels))
