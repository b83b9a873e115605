"""Batch norm over a batch of one row is always zero (no public source found)."""

from __future__ import annotations

from typing import Any

import jax
import keras
import numpy as np
import optax

import nnwidgets as nnw
from tests.faults import data

GROUP = "state"
ACCEPT = {"BatchNormOneRow", "BatchTooSmall", "InputIgnored"}
WHERE = ""
STEPS = 200


def loss(logits: jax.Array, labels: jax.Array) -> jax.Array:
    return optax.softmax_cross_entropy_with_integer_labels(logits, labels).mean()


def build(seed: int = 0, fault: bool = True) -> nnw.Session:
    keras.utils.set_random_seed(seed)
    model = keras.Sequential(
        [
            keras.Input((14,)),
            keras.layers.Dense(32, use_bias=False),
            keras.layers.BatchNormalization(momentum=0.9),
            keras.layers.ReLU(),
            keras.layers.Dense(5),
        ]
    )
    split = data.blobs(51, 5, 14)
    batches = data.batches(split.train, 1 if fault else 24, seed)
    return nnw.Session(nnw.from_keras(model, loss), optax.adam(5e-3), batches, validation=[split.test], seed=seed)


def error(session: nnw.Session) -> float:
    inputs, labels = data.blobs(51, 5, 14).test
    model: Any = session.model
    return float(np.mean(np.argmax(np.asarray(model(inputs, training=False)), -1) != labels))
