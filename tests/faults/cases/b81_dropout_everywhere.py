"""Dropout of 0.8 after each layer, and on the logits as well (Stack Overflow 60566498, 44755431)."""

from __future__ import annotations

import keras
import numpy as np
import optax

import nnwidgets as nnw
from tests.faults import data

GROUP = "init"
ACCEPT = {"DropoutRate", "ValidationBetter"}
WHERE = ""
STEPS = 200


def network(fault: bool) -> keras.Model:
    inputs = keras.Input((24,))
    x = keras.layers.Dense(48, activation="relu")(inputs)
    x = keras.layers.Dropout(0.8 if fault else 0.2)(x)
    x = keras.layers.Dense(48, activation="relu")(x)
    x = keras.layers.Dropout(0.8 if fault else 0.2)(x)
    logits = keras.layers.Dense(6)(x)
    if fault:
        logits = keras.layers.Dropout(0.8)(logits)
    return keras.Model(inputs, logits)


def crossentropy(logits, labels):
    return optax.softmax_cross_entropy_with_integer_labels(logits, labels).mean()


def build(seed: int = 0, fault: bool = True) -> nnw.Session:
    train, test = data.blobs(seed, classes=6, features=24, count=900, spread=1.1)
    keras.utils.set_random_seed(seed)
    session = nnw.Session(
        nnw.from_keras(network(fault), crossentropy),
        optax.adam(3e-3),
        data.batches(train, 45, seed),
        validation=data.batches(test, 100),
        validation_every=40,
        seed=seed,
    )
    session.held_out = test
    return session


def error(session: nnw.Session) -> float:
    inputs, labels = session.held_out
    return float(np.mean(np.argmax(session.model(inputs, training=False), -1) != labels))
