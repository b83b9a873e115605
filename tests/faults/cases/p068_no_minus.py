"""An optimizer put together from optax.scale_by_adam with the learning rate's sign forgotten (torch/optim#52)."""

from __future__ import annotations

import keras
import numpy as np
import optax

import nnwidgets as nnw
from tests.faults import data

GROUP = "optax"
ACCEPT = {"UpdateSign"}
WHERE = ""
STEPS = 200


def cross_entropy(logits, labels):
    return optax.softmax_cross_entropy_with_integer_labels(logits, labels).mean()


def build(seed: int = 0, fault: bool = True) -> nnw.Session:
    train, test = data.blobs(68, classes=3, features=8)
    keras.utils.set_random_seed(seed)
    model = keras.Sequential(
        [keras.Input((8,)), keras.layers.Dense(24, activation="relu"), keras.layers.Dense(3)],
    )
    learning_rate = 5e-3
    tx = optax.chain(
        optax.clip_by_global_norm(5.0),
        optax.scale_by_adam(b2=0.99),
        optax.scale(learning_rate if fault else -learning_rate),
    )
    return nnw.Session(
        nnw.from_keras(model, cross_entropy),
        tx,
        data.batches(train, 30, seed),
        validation=data.batches(test, 100),
        seed=seed,
    )


def error(session: nnw.Session) -> float:
    inputs, labels = data.blobs(68, classes=3, features=8).test
    return float(np.mean(np.argmax(session.model(inputs), -1) != labels))
