"""One slope is to be found, and RMSprop may move it by a thousandth a step (Stack Overflow 44998910)."""

from __future__ import annotations

import keras
import numpy as np
import optax

import nnwidgets as nnw
from tests.faults import data

GROUP = "steps"
ACCEPT = {"LearningRateTooLow", "StillImproving", "UpdateRatio"}
WHERE = ""
STEPS = 200


def line(seed: int, count: int):
    rng = np.random.default_rng(seed)
    x = rng.uniform(-1.7, 1.7, (count, 1))
    return x.astype(np.float32), (3 * x + 0.05 * rng.normal(size=(count, 1))).astype(np.float32)


def mse(predicted, actual):
    return keras.ops.mean(keras.ops.square(predicted - actual))


def build(seed: int = 0, fault: bool = True) -> nnw.Session:
    keras.utils.set_random_seed(seed)
    model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1)])
    session = nnw.Session(
        nnw.from_keras(model, mse),
        optax.rmsprop(0.001 if fault else 0.03),
        data.batches(line(seed, 320), 32, seed),
        seed=seed,
    )
    session.held_out = line(seed + 100, 200)
    return session


def error(session: nnw.Session) -> float:
    x, y = session.held_out
    return float(np.mean((session.model(x) - y) ** 2) / np.var(y))
