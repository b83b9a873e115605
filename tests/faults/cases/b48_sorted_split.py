"""The rows are sorted by class, and the last quarter, with all of one class, is the validation set (SO 56103207)."""

from __future__ import annotations

import keras
import numpy as np
import optax

import nnwidgets as nnw
from tests.faults import data

GROUP = "data"
ACCEPT = {"ValidationShift", "SortedLabels", "LabelImbalance", "Overfitting"}
WHERE = ""
STEPS = 200


def read(seed: int):
    """As the files lie on the disk: one folder a class."""
    (inputs, labels), test = data.blobs(seed, classes=5, features=16, count=1000, spread=0.8)
    order = np.argsort(labels, kind="stable")
    return inputs[order], labels[order], test


def sparse_cross_entropy(logits, labels):
    return keras.losses.sparse_categorical_crossentropy(labels, logits, from_logits=True).mean()


def build(seed: int = 0, fault: bool = True) -> nnw.Session:
    inputs, labels, test = read(seed)
    if not fault:
        order = np.random.default_rng(seed).permutation(len(inputs))
        inputs, labels = inputs[order], labels[order]
    last_quarter = len(inputs) * 3 // 4
    train = inputs[:last_quarter], labels[:last_quarter]
    validation = inputs[last_quarter:], labels[last_quarter:]

    keras.utils.set_random_seed(seed)
    model = keras.Sequential(
        [keras.Input((16,)), keras.layers.Dense(32, activation="tanh"), keras.layers.Dense(5, name="classes")]
    )
    session = nnw.Session(
        nnw.from_keras(model, sparse_cross_entropy),
        optax.adam(5e-3),
        data.batches(train, 50, seed),
        validation=data.batches(validation, 50),
        validation_every=40,
        seed=seed,
    )
    session.held_out = test
    return session


def error(session: nnw.Session) -> float:
    inputs, labels = session.held_out
    return float(np.mean(np.argmax(session.model(inputs), -1) != labels))
