"""The raw output of a linear layer goes into a cross-entropy that wants probabilities (Stack Overflow 64395424, 57407973)."""

from __future__ import annotations

import jax
import keras
import numpy as np
import optax

import nnwidgets as nnw
from tests.faults import data

GROUP = "head"
ACCEPT = {"LogitsAsProbabilities", "ClippedLoss"}
WHERE = "head"
STEPS = 200


def of_probabilities(outputs: jax.Array, labels: jax.Array) -> jax.Array:
    return keras.losses.binary_crossentropy(labels, outputs).mean()  # the fault


def of_logits(outputs: jax.Array, labels: jax.Array) -> jax.Array:
    return keras.losses.binary_crossentropy(labels, outputs, from_logits=True).mean()


def build(seed: int = 0, fault: bool = True) -> nnw.Session:
    keras.utils.set_random_seed(seed)
    model = keras.Sequential(
        [
            keras.Input((3,)),
            keras.layers.Dense(32, activation="relu", name="first"),
            keras.layers.Dense(32, activation="relu", name="second"),
            keras.layers.Dense(1, name="head"),
        ]
    )
    split = data.rings(seed, features=3, count=1500)
    train, test = ((inputs, labels.astype(np.float32)[:, None]) for inputs, labels in split)
    session = nnw.Session(
        nnw.from_keras(model, of_probabilities if fault else of_logits),
        optax.sgd(0.05, momentum=0.9),
        data.batches(train, 50, seed),
        validation=[test],
        seed=seed,
    )
    session.held_out = test
    return session


def error(session: nnw.Session) -> float:
    inputs, labels = session.held_out
    outputs = np.asarray(session.model(inputs))
    # whether the output is a probability or a logit, the better reading counts
    return float(min(np.mean((outputs > threshold) != labels) for threshold in (0, 0.5)))
