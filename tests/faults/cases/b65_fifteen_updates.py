"""Batches of 2,000 and five epochs make only fifteen updates, with plain SGD (Stack Overflow 44164749)."""

from __future__ import annotations

import itertools

import flax.linen as nn
import jax
import numpy as np
import optax

import nnwidgets as nnw
from tests.faults import data

GROUP = "steps"
ACCEPT = {"BatchTooLarge", "StillImproving", "LearningRateTooLow"}
WHERE = ""
STEPS = 200
EPOCHS = 5


class Wide(nn.Module):
    @nn.compact
    def __call__(self, x):
        return nn.Dense(10)(nn.relu(nn.Dense(200)(x)))


def loss(logits, labels):
    return optax.softmax_cross_entropy(logits, jax.nn.one_hot(labels, 10)).mean()


def build(seed: int = 0, fault: bool = True) -> nnw.Session:
    train, test = data.blobs(seed, classes=10, features=100, count=6000)
    size = 2000 if fault else 100
    epochs = (data.batches(train, size, seed + epoch) for epoch in range(EPOCHS))
    model = Wide()
    session = nnw.Session(
        nnw.from_linen(model, model.init(jax.random.key(seed), train[0][:1]), loss),
        optax.sgd(0.1),
        itertools.chain.from_iterable(epochs),
        validation=data.batches(test, 200),
        seed=seed,
    )
    session.held_out = test
    return session


def error(session: nnw.Session) -> float:
    inputs, labels = session.held_out
    return float(np.mean(np.argmax(np.asarray(Wide().apply(session.model, inputs)), -1) != labels))
