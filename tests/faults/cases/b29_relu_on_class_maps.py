"""A ReLU on the maps of the classes, before they are pooled into logits (Stack Overflow 47735201)."""

from __future__ import annotations

import jax
import numpy as np
import optax
from flax import nnx

import nnwidgets as nnw
from tests.faults import data

GROUP = "head"
ACCEPT = {"ReluOnLogits"}
WHERE = "classes"
STEPS = 200


class NetworkInNetwork(nnx.Module):
    def __init__(self, relu_last: bool, rngs: nnx.Rngs) -> None:
        self.patches = nnx.Conv(1, 32, (5, 5), padding="VALID", rngs=rngs)
        self.mix = nnx.Conv(32, 32, (1, 1), rngs=rngs)
        self.classes = nnx.Conv(32, 10, (1, 1), rngs=rngs)
        self.relu_last = relu_last

    def __call__(self, images: jax.Array) -> jax.Array:
        x = nnx.relu(self.mix(nnx.relu(self.patches(images))))
        maps = self.classes(x)
        if self.relu_last:
            maps = nnx.relu(maps)  # the fault
        return maps.mean((1, 2))


def cross_entropy(logits: jax.Array, labels: jax.Array) -> jax.Array:
    return optax.softmax_cross_entropy_with_integer_labels(logits, labels).mean()


def build(seed: int = 0, fault: bool = True) -> nnw.Session:
    split = data.shapes(seed, classes=10, size=10, count=1500)
    session = nnw.Session(
        nnw.from_nnx(NetworkInNetwork(fault, nnx.Rngs(seed)), cross_entropy),
        optax.adam(0.01),
        data.batches(split.train, 50, seed),
        seed=seed,
    )
    session.held_out = split.test
    return session


def error(session: nnw.Session) -> float:
    images, labels = session.held_out
    return float(np.mean(session.model(images).argmax(1) != labels))
