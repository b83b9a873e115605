"""jax.nn.one_hot of labels 1 to K over K classes: the last class is a row of zeros and costs nothing (optax#1185)."""

from __future__ import annotations

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax

import nnwidgets as nnw
from tests.faults import data

GROUP = "data"
ACCEPT = {"LabelRange", "LabelCoding", "LabelWidth"}
WHERE = ""
STEPS = 200
CLASSES = 3


def loss(logits, labels):
    targets = jax.nn.one_hot(labels, CLASSES)  # the fault
    return jnp.mean(optax.softmax_cross_entropy(logits, targets))


def build(seed: int = 0, fault: bool = True) -> nnw.Session:
    # the file's labels are 1, 2, 3
    first = 1 if fault else 0
    train, test = ((inputs, labels + first) for inputs, labels in data.blobs(287, classes=CLASSES, features=6))
    model = eqx.nn.MLP(6, CLASSES, width_size=24, depth=1, key=jax.random.key(seed))
    return nnw.Session(
        nnw.from_equinox(model, loss),
        optax.adamw(5e-3),
        data.batches(train, 50, seed),
        validation=data.batches(test, 100),
        seed=seed,
    )


def error(session: nnw.Session) -> float:
    inputs, labels = data.blobs(287, classes=CLASSES, features=6).test
    predicted = np.argmax(jax.vmap(session.model)(inputs), -1)
    # whichever way the labels were counted
    return min(float(np.mean(predicted != labels)), float(np.mean(predicted != labels + 1)))
