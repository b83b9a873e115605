"""SGD with a learning rate of 30 (mozilla/DeepSpeech#258)."""

from __future__ import annotations

import equinox as eqx
import jax
import numpy as np
import optax

import nnwidgets as nnw
from tests.faults import data

GROUP = "steps"
ACCEPT = {"LearningRateTooHigh", "Divergence", "Oscillation", "UpdateRatio", "ExplodingGradient"}
WHERE = ""
STEPS = 200


class Network(eqx.Module):
    first: eqx.nn.Linear
    second: eqx.nn.Linear

    def __init__(self, key):
        first, second = jax.random.split(key)
        self.first = eqx.nn.Linear(10, 32, key=first)
        self.second = eqx.nn.Linear(32, 3, key=second)

    def __call__(self, x):
        return self.second(jax.nn.relu(self.first(x)))


def loss(logits, labels):
    return optax.softmax_cross_entropy_with_integer_labels(logits, labels).mean()


def build(seed: int = 0, fault: bool = True) -> nnw.Session:
    train, test = data.blobs(107, classes=3)
    return nnw.Session(
        nnw.from_equinox(Network(jax.random.key(seed)), loss),
        optax.sgd(30.0 if fault else 0.1),
        data.batches(train, 50, seed),
        validation=data.batches(test, 100),
        seed=seed,
    )


def error(session: nnw.Session) -> float:
    inputs, labels = data.blobs(107, classes=3).test
    return float(np.mean(np.argmax(jax.vmap(session.model)(inputs), -1) != labels))
