"""The percentage error is divided by labels that are 0 (Stack Overflow 62957334)."""

from __future__ import annotations

import jax
import keras
import numpy as np
import optax

import nnwidgets as nnw
from tests.faults import data

GROUP = "head"
ACCEPT = {"LossForTargets", "UnguardedLog"}
WHERE = ""
STEPS = 200


def percentage_error(outputs: jax.Array, labels: jax.Array) -> jax.Array:
    return keras.losses.mean_absolute_percentage_error(labels, outputs).mean()  # the fault


def cross_entropy(outputs: jax.Array, labels: jax.Array) -> jax.Array:
    return keras.losses.binary_crossentropy(labels, outputs).mean()


def build(seed: int = 0, fault: bool = True) -> nnw.Session:
    keras.utils.set_random_seed(seed)
    split = data.rings(seed, features=4, count=1600)
    train, test = ((inputs, labels.astype(np.float32)[:, None]) for inputs, labels in split)
    model = keras.Sequential(
        [
            keras.Input((4,)),
            keras.layers.Dense(32, activation="relu"),
            keras.layers.Dense(32, activation="relu"),
            keras.layers.Dense(1, activation="sigmoid"),
        ]
    )
    session = nnw.Session(
        nnw.from_keras(model, percentage_error if fault else cross_entropy),
        optax.adam(5e-3),
        data.batches(train, 64, seed),
        validation=[test],
        seed=seed,
    )
    session.held_out = test
    return session


def error(session: nnw.Session) -> float:
    inputs, labels = session.held_out
    return float(np.mean((np.asarray(session.model(inputs)) > 0.5) != labels))
