"""Inputs about 10000 with a spread of 1000 go in as they are (UMLAUT's input check; rasbt's debugging checklist)."""

from __future__ import annotations

import flax.linen as nn
import jax
import numpy as np
import optax

import nnwidgets as nnw
from tests.faults import data

GROUP = "data"
ACCEPT = {"InputScale"}
WHERE = ""
STEPS = 200


class Network(nn.Module):
    @nn.compact
    def __call__(self, x):
        x = nn.relu(nn.Dense(32, name="hidden")(x))
        return nn.Dense(3, name="output")(x)


def loss(logits, labels):
    return optax.softmax_cross_entropy_with_integer_labels(logits, labels).mean()


def examples(fault):
    """Measurements in their own units, or standardized by the training set's mean and deviation."""
    (train, labels), (test, test_labels) = data.blobs(89, classes=3, features=6)
    train, test = 1000 * train + 10_000, 1000 * test + 10_000
    if not fault:
        mean, deviation = train.mean(axis=0), train.std(axis=0)
        train, test = (train - mean) / deviation, (test - mean) / deviation
    return (train, labels), (test, test_labels)


def build(seed: int = 0, fault: bool = True) -> nnw.Session:
    train, test = examples(fault)
    model = Network()
    return nnw.Session(
        nnw.from_linen(model, model.init(jax.random.key(seed), train[0][:1]), loss),
        optax.sgd(0.1),
        data.batches(train, 50, seed),
        validation=data.batches(test, 100),
        seed=seed,
        name="raw" if fault else "standardized",
    )


def error(session: nnw.Session) -> float:
    inputs, labels = examples(session.name == "raw")[1]
    logits = np.asarray(Network().apply(session.model, inputs))
    return float(np.mean(np.argmax(logits, -1) != labels)) if np.isfinite(logits).all() else float("nan")
