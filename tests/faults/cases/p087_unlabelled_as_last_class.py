"""Rows without a label carry -1, which indexing takes for the last class (google-deepmind/optax#1185)."""

from __future__ import annotations

import jax.numpy as jnp
import numpy as np
import optax
from flax import nnx

import nnwidgets as nnw
from tests.faults import data

GROUP = "data"
ACCEPT = {"LabelRange", "LabelCoding", "IndexOutOfRange"}
WHERE = ""
STEPS = 200
CLASSES = 4


class Classifier(nnx.Module):
    def __init__(self, rngs: nnx.Rngs) -> None:
        self.hidden = nnx.Linear(10, 48, rngs=rngs)
        self.scores = nnx.Linear(48, CLASSES, rngs=rngs)

    def __call__(self, x):
        return self.scores(nnx.relu(self.hidden(x)))


def cross_entropy(logits, labels):
    chosen = labels
    return optax.softmax_cross_entropy_with_integer_labels(logits, chosen).mean()  # the fault


def masked_cross_entropy(logits, labels):
    labelled = labels >= 0
    chosen = jnp.where(labelled, labels, 0)
    losses = optax.softmax_cross_entropy_with_integer_labels(logits, chosen)
    return jnp.sum(losses * labelled) / jnp.sum(labelled)


def build(seed: int = 0, fault: bool = True) -> nnw.Session:
    (inputs, labels), test = data.blobs(187, classes=CLASSES, spread=0.8)
    unlabelled = np.random.default_rng(87).uniform(size=len(labels)) < 0.6
    labels = np.where(unlabelled, -1, labels).astype(np.int32)
    return nnw.Session(
        nnw.from_nnx(Classifier(nnx.Rngs(seed)), cross_entropy if fault else masked_cross_entropy),
        optax.adam(3e-3),
        data.batches((inputs, labels), 60, seed),
        validation=data.batches(test, 100),
        seed=seed,
    )


def error(session: nnw.Session) -> float:
    inputs, labels = data.blobs(187, classes=CLASSES, spread=0.8).test
    return float(np.mean(np.argmax(session.model(inputs), -1) != labels))
