"""Large first steps push ReLU units below zero for every input, where they stay (stats.stackexchange 450100)."""

from __future__ import annotations

import jax.numpy as jnp
import keras
import numpy as np
import optax

import nnwidgets as nnw
from tests.faults import data

GROUP = "init"
ACCEPT = {"DeadUnits", "LearningRateTooHigh", "UpdateRatio"}
WHERE = ""
STEPS = 200


def mean_squared_error(predictions, targets):
    return jnp.mean((predictions[:, 0] - targets) ** 2)


def build(seed: int = 0, fault: bool = True) -> nnw.Session:
    train, test = data.curve(108, features=4)
    keras.utils.set_random_seed(seed)
    model = keras.Sequential(
        [
            keras.Input((4,)),
            keras.layers.Dense(48, activation="relu", kernel_initializer="he_normal", name="hidden1"),
            keras.layers.Dense(48, activation="relu", kernel_initializer="he_normal", name="hidden2"),
            keras.layers.Dense(1, name="output"),
        ]
    )
    return nnw.Session(
        nnw.from_keras(model, mean_squared_error),
        optax.adam(1.0 if fault else 3e-3),
        data.batches(train, 40, seed),
        validation=data.batches(test, 100),
        seed=seed,
    )


def error(session: nnw.Session) -> float:
    inputs, targets = data.curve(108, features=4).test
    return float(np.mean((np.asarray(session.model(inputs))[:, 0] - targets) ** 2) / np.var(targets))
