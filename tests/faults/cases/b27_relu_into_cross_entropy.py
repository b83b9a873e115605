"""Pixels of 0 to 255, and the outputs of a last ReLU layer taken for probabilities (Stack Overflow 47352366)."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import keras
import numpy as np
import optax

import nnwidgets as nnw
from tests.faults import data

GROUP = "head"
ACCEPT = {"LogitsAsProbabilities", "ReluOnLogits", "UnguardedLog", "OutputRange", "InputScale", "NonFinite"}
WHERE = ""
STEPS = 200


def cross_entropy(outputs: jax.Array, one_hot: jax.Array) -> jax.Array:
    shares = outputs / jnp.sum(outputs, axis=-1, keepdims=True)
    return -jnp.mean(jnp.sum(one_hot * jnp.log(shares), axis=-1))  # the fault


def build(seed: int = 0, fault: bool = True) -> nnw.Session:
    keras.utils.set_random_seed(seed)
    layers = keras.layers
    model = keras.Sequential(
        [
            keras.Input((12, 12, 1)),
            layers.Conv2D(12, 5, activation="relu", name="conv1"),
            layers.Conv2D(16, 3, activation="relu", name="conv2"),
            layers.MaxPooling2D(3, name="pool"),
            layers.Flatten(name="flat"),
            layers.Dense(64, activation="relu", name="dense"),
            layers.Dense(10, activation="relu" if fault else "softmax", name="classes"),
        ]
    )
    split = data.shapes(seed, classes=10, count=1200, scale=255 if fault else 1)
    train, test = ((images, data.one_hot(labels, 10)) for images, labels in split)
    session = nnw.Session(
        nnw.from_keras(model, cross_entropy), optax.adam(2e-3), data.batches(train, 50, seed), seed=seed
    )
    session.held_out = test
    return session


def error(session: nnw.Session) -> float:
    images, labels = session.held_out
    if not np.isfinite(session.timeline.losses).all():
        return float("nan")
    return float(np.mean(np.asarray(session.model(images)).argmax(1) != labels.argmax(1)))
