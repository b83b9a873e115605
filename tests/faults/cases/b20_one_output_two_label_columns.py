"""One output column is spread over labels of two columns: each example is both classes at once (Stack Overflow 70148149)."""

from __future__ import annotations

import jax
import numpy as np
import optax
from flax import nnx

import nnwidgets as nnw
from tests.faults import data

GROUP = "head"
ACCEPT = {"SilentBroadcast", "LabelWidth", "LabelCoding"}
WHERE = ""
STEPS = 200


class Rings(nnx.Module):
    def __init__(self, rngs: nnx.Rngs) -> None:
        self.hidden, self.out = nnx.Linear(3, 64, rngs=rngs), nnx.Linear(64, 1, rngs=rngs)

    def __call__(self, x: jax.Array) -> jax.Array:
        return self.out(nnx.gelu(self.hidden(x)))


def cross_entropy(logits: jax.Array, labels: jax.Array) -> jax.Array:
    return optax.sigmoid_binary_cross_entropy(logits, labels).mean()  # the fault


def build(seed: int = 0, fault: bool = True) -> nnw.Session:
    split = data.rings(seed, features=3, count=1500)
    columns = slice(0, 2) if fault else slice(1, 2)
    train, test = ((inputs, data.one_hot(labels, 2)[:, columns]) for inputs, labels in split)
    session = nnw.Session(
        nnw.from_nnx(Rings(nnx.Rngs(seed)), cross_entropy),
        optax.adam(0.01),
        data.batches(train, 50, seed),
        validation=[test],
        seed=seed,
    )
    session.held_out = split.test
    return session


def error(session: nnw.Session) -> float:
    inputs, labels = session.held_out
    return float(np.mean((session.model(inputs)[:, 0] > 0) != labels))
