"""Pixels of 0 to 255 go into the network as they are, classes come out of sigmoids (Stack Overflow 55328966)."""

from __future__ import annotations

import keras
import numpy as np
import optax

import nnwidgets as nnw
from tests.faults import data

GROUP = "data"
ACCEPT = {"InputScale", "SigmoidForExclusiveClasses"}
WHERE = ""
STEPS = 200
CLASSES = 5


def categorical_cross_entropy(probabilities, targets):
    return keras.losses.categorical_crossentropy(targets, probabilities).mean()


def pixels(values):
    """The clusters as grey values of one byte."""
    return np.clip(np.round(127.5 + 50 * values), 0, 255).astype(np.float32)


def build(seed: int = 0, fault: bool = True) -> nnw.Session:
    splits = data.blobs(seed, classes=CLASSES, features=60, count=1000)
    train, test = [
        (pixels(x) if fault else pixels(x) / 127.5 - 1, data.one_hot(labels, CLASSES)) for x, labels in splits
    ]
    keras.utils.set_random_seed(seed)
    model = keras.Sequential(
        [
            keras.Input((60,)),
            keras.layers.Dense(64),
            keras.layers.Dense(50, activation="relu"),
            keras.layers.Dense(CLASSES, activation="sigmoid" if fault else "softmax"),
        ]
    )
    session = nnw.Session(
        nnw.from_keras(model, categorical_cross_entropy),
        optax.sgd(0.1),
        data.batches(train, 40, seed),
        validation=data.batches(test, 80),
        seed=seed,
    )
    session.held_out = test
    return session


def error(session: nnw.Session) -> float:
    inputs, targets = session.held_out
    return float(np.mean(np.argmax(session.model(inputs), -1) != np.argmax(targets, -1)))
