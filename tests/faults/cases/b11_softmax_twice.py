"""The last layer has a softmax, and the loss applies another one (Stack Overflow 50032197)."""

from __future__ import annotations

import jax
import keras
import numpy as np
import optax

import nnwidgets as nnw
from tests.faults import data

GROUP = "head"
ACCEPT = {"SoftmaxTwice"}
WHERE = "head"
STEPS = 200


def cross_entropy(outputs: jax.Array, labels: jax.Array) -> jax.Array:
    return optax.softmax_cross_entropy_with_integer_labels(outputs, labels).mean()  # the fault


def build(seed: int = 0, fault: bool = True) -> nnw.Session:
    keras.utils.set_random_seed(seed)
    inputs = keras.Input((20,))
    x = keras.layers.Dense(48, activation="relu", name="hidden")(inputs)
    outputs = keras.layers.Dense(10, activation="softmax" if fault else None, name="head")(x)
    split = data.blobs(seed, classes=10, features=20, count=1500)
    session = nnw.Session(
        nnw.from_keras(keras.Model(inputs, outputs), cross_entropy),
        optax.sgd(0.1),
        data.batches(split.train, 50, seed),
        validation=[split.test],
        seed=seed,
    )
    session.held_out = split.test
    return session


def error(session: nnw.Session) -> float:
    inputs, labels = session.held_out
    return float(np.mean(np.asarray(session.model(inputs)).argmax(1) != labels))
