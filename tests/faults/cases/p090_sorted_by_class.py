"""Examples lie sorted by class and are never shuffled, so that each batch holds one class (arXiv 1910.11015)."""

from __future__ import annotations

import equinox as eqx
import jax
import numpy as np
import optax

import nnwidgets as nnw
from tests.faults import data

GROUP = "data"
ACCEPT = {"SortedLabels"}
WHERE = ""
STEPS = 200


class ImageClassifier(eqx.Module):
    convolution: eqx.nn.Conv2d
    hidden: eqx.nn.Linear
    output: eqx.nn.Linear

    def __init__(self, key):
        keys = jax.random.split(key, 3)
        self.convolution = eqx.nn.Conv2d(1, 8, 5, stride=2, key=keys[0])
        self.hidden = eqx.nn.Linear(8 * 4 * 4, 32, key=keys[1])
        self.output = eqx.nn.Linear(32, 4, key=keys[2])

    def __call__(self, image):
        x = jax.nn.relu(self.convolution(image.transpose(2, 0, 1))).reshape(-1)
        return self.output(jax.nn.relu(self.hidden(x)))


def loss(logits, labels):
    return optax.softmax_cross_entropy_with_integer_labels(logits, labels).mean()


def centred(images):
    return (images - 0.15) / 0.2


def build(seed: int = 0, fault: bool = True) -> nnw.Session:
    (images, labels), (test_images, test_labels) = data.shapes(90)
    if fault:
        # as the folders give them, one class after the other
        order = np.argsort(labels, kind="stable")
        images, labels = images[order], labels[order]
    return nnw.Session(
        nnw.from_equinox(ImageClassifier(jax.random.key(seed)), loss),
        optax.adam(3e-3),
        data.batches((centred(images), labels), 40, seed, shuffle=not fault),
        validation=data.batches((centred(test_images), test_labels), 100),
        validation_every=50,
        seed=seed,
    )


def error(session: nnw.Session) -> float:
    images, labels = data.shapes(90).test
    logits = jax.vmap(session.model)(centred(images))
    return float(np.mean(np.argmax(logits, -1) != labels))
