"""Probabilities clipped before the log: whoever lies outside has slope 0 and does not teach (keras-team/keras-core#196)."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import keras
import numpy as np
import optax

import nnwidgets as nnw
from tests.faults import data

GROUP = "nan"
ACCEPT = {"ClippedLoss", "ZeroGradient", "NothingLearned"}
WHERE = ""
STEPS = 200
CLASSES = 24


def clipped(logits: jax.Array, targets: jax.Array) -> jax.Array:
    p = jnp.clip(jax.nn.softmax(logits), 0.1, 0.9)  # the fault
    return -jnp.mean(jnp.sum(targets * jnp.log(p), axis=-1))


def whole(logits: jax.Array, targets: jax.Array) -> jax.Array:
    return -jnp.mean(jnp.sum(targets * jax.nn.log_softmax(logits), axis=-1))


def build(seed: int = 0, fault: bool = True) -> nnw.Session:
    keras.utils.set_random_seed(seed)
    model = keras.Sequential(
        [keras.Input((16,)), keras.layers.Dense(64, activation="relu"), keras.layers.Dense(CLASSES)]
    )
    inputs, labels = data.blobs(12, CLASSES, 16, 1200).train
    batches = data.batches((inputs, data.one_hot(labels, CLASSES)), 40, seed)
    return nnw.Session(nnw.from_keras(model, clipped if fault else whole), optax.adam(5e-3), batches, seed=seed)


def error(session: nnw.Session) -> float:
    inputs, labels = data.blobs(12, CLASSES, 16, 1200).test
    model: Any = session.model
    return float(np.mean(np.argmax(np.asarray(model(inputs)), -1) != labels))
