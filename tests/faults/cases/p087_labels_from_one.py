"""Labels count from 1 to K where K logits are indexed from 0, and the loss is NaN (google-deepmind/optax#1185)."""

from __future__ import annotations

import flax.linen as nn
import jax
import numpy as np
import optax

import nnwidgets as nnw
from tests.faults import data

GROUP = "data"
ACCEPT = {"LabelRange", "LabelCoding", "LabelWidth", "IndexOutOfRange"}
WHERE = ""
STEPS = 100
CLASSES = 5


class Network(nn.Module):
    @nn.compact
    def __call__(self, x):
        x = nn.elu(nn.Dense(32)(x))
        return nn.Dense(CLASSES)(x)


def loss(logits, labels):
    return optax.softmax_cross_entropy_with_integer_labels(logits, labels).mean()


def build(seed: int = 0, fault: bool = True) -> nnw.Session:
    train, test = data.blobs(87, classes=CLASSES)
    first = 1 if fault else 0
    model = Network()
    return nnw.Session(
        nnw.from_linen(model, model.init(jax.random.key(seed), train[0][:1]), loss),
        optax.rmsprop(3e-3),
        data.batches((train[0], train[1] + first), 30, seed),
        validation=data.batches((test[0], test[1] + first), 100),
        seed=seed,
    )


def error(session: nnw.Session) -> float:
    inputs, labels = data.blobs(87, classes=CLASSES).test
    predicted = np.argmax(np.asarray(Network().apply(session.model, inputs)), -1)
    # whichever way the labels were counted
    return min(float(np.mean(predicted != labels)), float(np.mean(predicted != labels + 1)))
