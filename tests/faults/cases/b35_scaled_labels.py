"""The labels of the training set are divided by 255 in place of the test images (Stack Overflow 59325381)."""

from __future__ import annotations

import flax.linen as nn
import jax
import numpy as np
import optax

import nnwidgets as nnw
from tests.faults import data

GROUP = "data"
ACCEPT = {"ConstantLabels", "LabelImbalance", "LabelCoding", "ValidationShift"}
WHERE = ""
STEPS = 200


class Network(nn.Module):
    @nn.compact
    def __call__(self, images):
        x = nn.relu(nn.Conv(24, (5, 5))(images))
        x = nn.relu(nn.Conv(16, (3, 3))(x))
        return nn.Dense(4)(nn.max_pool(x, (4, 4), (4, 4)).reshape(len(x), -1))


def cross_entropy(logits, labels):
    return optax.softmax_cross_entropy_with_integer_labels(logits, labels).mean()


def build(seed: int = 0, fault: bool = True) -> nnw.Session:
    (images, labels), (test_images, test_labels) = data.shapes(seed, scale=255)
    right_images = test_images / 255
    images = images / 255
    if fault:
        labels = (labels / 255).astype(np.int32)
    else:
        test_images = test_images / 255

    model = Network()
    session = nnw.Session(
        nnw.from_linen(model, model.init(jax.random.key(seed), images[:1]), cross_entropy),
        optax.adam(3e-3),
        data.batches((images, labels), 50, seed),
        validation=data.batches((test_images, test_labels), 100),
        validation_every=50,
        seed=seed,
    )
    session.held_out = right_images, test_labels
    return session


def error(session: nnw.Session) -> float:
    images, labels = session.held_out
    return float(np.mean(np.argmax(np.asarray(Network().apply(session.model, images)), -1) != labels))
