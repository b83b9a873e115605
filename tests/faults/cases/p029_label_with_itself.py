"""The cross-entropy of the label with itself: two names that look alike (jax-ml/jax#2097)."""

from __future__ import annotations

from typing import Any

import jax
import numpy as np
import optax
from flax import nnx

import nnwidgets as nnw
from tests.faults import data

GROUP = "gradients"
ACCEPT = {"LossIgnoresParameters", "ConstantLoss", "DisconnectedParameters", "ZeroGradient"}
WHERE = ""
STEPS = 200
CLASSES = 3


class SmallNet(nnx.Module):
    def __init__(self, rngs: nnx.Rngs) -> None:
        self.conv = nnx.Conv(1, 8, (5, 5), strides=2, rngs=rngs)
        self.out = nnx.Linear(6 * 6 * 8, CLASSES, rngs=rngs)

    def __call__(self, images: jax.Array) -> jax.Array:
        features = nnx.relu(self.conv(images))
        return self.out(features.reshape(len(images), -1))


def build(seed: int = 0, fault: bool = True) -> nnw.Session:
    def loss(y_hat: jax.Array, y: jax.Array) -> jax.Array:
        y_hot = jax.nn.one_hot(y, CLASSES)
        if fault:
            return optax.softmax_cross_entropy(y_hot, y_hot).mean()  # the fault
        return optax.softmax_cross_entropy(y_hat, y_hot).mean()

    split = data.shapes(29, CLASSES)
    objective = nnw.from_nnx(SmallNet(nnx.Rngs(seed)), loss)
    return nnw.Session(
        objective, optax.adam(3e-3), data.batches(split.train, 30, seed), validation=[split.test], seed=seed
    )


def error(session: nnw.Session) -> float:
    images, labels = data.shapes(29, CLASSES).test
    model: Any = session.model
    return float(np.mean(np.argmax(np.asarray(model(images)), -1) != labels))
