"""Ten exclusive classes as ten yes-or-no questions: nine of ten answers are right by saying no (Stack Overflow 58333926)."""

from __future__ import annotations

import equinox as eqx
import jax
import numpy as np
import optax

import nnwidgets as nnw
from tests.faults import data

GROUP = "head"
ACCEPT = {"SigmoidForExclusiveClasses", "LossForTargets"}
WHERE = ""
STEPS = 200


class Pictures(eqx.Module):
    convs: list[eqx.nn.Conv2d]
    head: eqx.nn.Linear

    def __init__(self, key: jax.Array) -> None:
        keys = jax.random.split(key, 3)
        self.convs = [eqx.nn.Conv2d(1, 16, 5, key=keys[0]), eqx.nn.Conv2d(16, 16, 1, key=keys[1])]
        self.head = eqx.nn.Linear(16, 10, key=keys[2])

    def __call__(self, image: jax.Array) -> jax.Array:
        x = image.transpose(2, 0, 1)
        for conv in self.convs:
            x = jax.nn.relu(conv(x))
        return self.head(x.max((1, 2)))


def binary(logits: jax.Array, one_hot: jax.Array) -> jax.Array:
    return optax.sigmoid_binary_cross_entropy(logits, one_hot).mean()  # the fault


def categorical(logits: jax.Array, one_hot: jax.Array) -> jax.Array:
    return optax.softmax_cross_entropy(logits, one_hot).mean()


def build(seed: int = 0, fault: bool = True) -> nnw.Session:
    split = data.shapes(seed, classes=10, count=1200)
    train, test = ((images, data.one_hot(labels, 10)) for images, labels in split)
    session = nnw.Session(
        nnw.from_equinox(Pictures(jax.random.key(seed)), binary if fault else categorical),
        optax.sgd(0.05, momentum=0.9),
        data.batches(train, 40, seed),
        seed=seed,
    )
    session.held_out = test
    return session


def error(session: nnw.Session) -> float:
    images, labels = session.held_out
    return float(np.mean(jax.vmap(session.model)(images).argmax(1) != labels.argmax(1)))
