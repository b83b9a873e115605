"""A multilayer perceptron with Adam at 1e-5 (TheDeepChecker's synthetic low learning rate)."""

from __future__ import annotations

import itertools

import numpy as np
import optax
from flax import nnx

import nnwidgets as nnw
from tests.faults import data

GROUP = "steps"
ACCEPT = {"LearningRateTooLow", "StillImproving", "UpdateRatio"}
WHERE = ""
STEPS = 200


class Mlp(nnx.Module):
    def __init__(self, widths, rngs):
        self.layers = nnx.List([nnx.Linear(n, m, rngs=rngs) for n, m in itertools.pairwise(widths)])

    def __call__(self, x):
        for layer in self.layers[:-1]:
            x = nnx.gelu(layer(x))
        return self.layers[-1](x)


def loss(logits, labels):
    return optax.softmax_cross_entropy_with_integer_labels(logits, labels).mean()


def build(seed: int = 0, fault: bool = True) -> nnw.Session:
    train, test = data.blobs(seed, classes=6, features=24, count=960, spread=0.7)
    session = nnw.Session(
        nnw.from_nnx(Mlp((24, 64, 64, 6), nnx.Rngs(seed)), loss),
        optax.adam(1e-5 if fault else 3e-3),
        data.batches(train, 48, seed),
        validation=data.batches(test, 100),
        seed=seed,
    )
    session.held_out = test
    return session


def error(session: nnw.Session) -> float:
    inputs, labels = session.held_out
    return float(np.mean(np.argmax(session.model(inputs), -1) != labels))
