"""The validation set is a slice of the training set (a check of UMLAUT's); the network has learned it by heart."""

from __future__ import annotations

import numpy as np
import optax
from flax import nnx

import nnwidgets as nnw
from tests.faults import data

GROUP = "data"
ACCEPT = {"Leakage"}
WHERE = ""
STEPS = 300


def cross_entropy(logits, labels):
    return optax.softmax_cross_entropy_with_integer_labels(logits, labels).mean()


def build(seed: int = 0, fault: bool = True) -> nnw.Session:
    train, test = data.blobs(seed, classes=4, features=12, count=240, spread=1.3)
    validation = (train[0][-120:], train[1][-120:]) if fault else (test[0][:120], test[1][:120])
    rngs = nnx.Rngs(seed)
    model = nnx.Sequential(nnx.Linear(12, 32, rngs=rngs), nnx.relu, nnx.Linear(32, 4, rngs=rngs))
    session = nnw.Session(
        nnw.from_nnx(model, cross_entropy),
        optax.adam(3e-3),
        data.batches(train, 40, seed),
        validation=[validation],
        validation_every=50,
        seed=seed,
    )
    session.held_out = validation, (test[0][120:], test[1][120:])
    return session


def error(session: nnw.Session) -> float:
    """How much better the validation set looks than data that is really new."""
    seen, new = (np.mean(np.argmax(session.model(x), -1) != labels) for x, labels in session.held_out)
    return float(new - seen)
