"""A convolutional network in batches of 100 where the repair took 50 (keras_catsdogs, commit 2380e40)."""

from __future__ import annotations

import keras
import numpy as np
import optax

import nnwidgets as nnw
from tests.faults import data

GROUP = "steps"
ACCEPT = {"BatchTooLarge"}
WHERE = ""
STEPS = 100
# In batches of 50 it learns the same: what the repair changed was not what was wrong.
HARMLESS = True


def binary_cross_entropy(probabilities, labels):
    return keras.losses.binary_crossentropy(labels[:, None], probabilities).mean()


def build(seed: int = 0, fault: bool = True) -> nnw.Session:
    train, test = [(images, labels.astype(np.float32)) for images, labels in data.shapes(seed, classes=2)]
    keras.utils.set_random_seed(seed)
    model = keras.Sequential(
        [
            keras.Input((12, 12, 1)),
            keras.layers.Conv2D(16, 5, activation="relu"),
            keras.layers.MaxPooling2D(),
            keras.layers.Conv2D(16, 3, activation="relu"),
            keras.layers.Flatten(),
            keras.layers.Dense(1, activation="sigmoid"),
        ]
    )
    session = nnw.Session(
        nnw.from_keras(model, binary_cross_entropy),
        optax.adam(3e-3),
        data.batches(train, 100 if fault else 50, seed),
        validation=data.batches(test, 100),
        seed=seed,
    )
    session.held_out = test
    return session


def error(session: nnw.Session) -> float:
    images, labels = session.held_out
    return float(np.mean((np.asarray(session.model(images))[:, 0] > 0.5) != labels))
