"""Noise that is meant for grey values up to 255 is added to images between 0 and 1 (Stack Overflow 63003693)."""

from __future__ import annotations

import numpy as np
import optax
from flax import nnx

import nnwidgets as nnw
from tests.faults import data

GROUP = "data"
ACCEPT = {"ValidationShift", "InputScale", "ValidationBetter"}
WHERE = ""
STEPS = 200


class Cnn(nnx.Module):
    def __init__(self, rngs):
        self.first = nnx.Conv(1, 16, (5, 5), rngs=rngs)
        self.second = nnx.Conv(16, 16, (3, 3), rngs=rngs)
        self.head = nnx.Linear(9 * 16, 3, rngs=rngs)

    def __call__(self, x):
        x = nnx.relu(self.second(nnx.relu(self.first(x))))
        return self.head(nnx.max_pool(x, (4, 4), (4, 4)).reshape(len(x), -1))


def augment(images, rng, fault):
    noise = rng.normal(0, 12, images.shape).astype(np.float32)
    return images + (noise if fault else noise / 255)


def stream(examples, seed, fault):
    rng = np.random.default_rng(seed)
    for images, labels in data.epochs(examples, 40, seed):
        yield augment(images, rng, fault), labels


def cross_entropy(logits, labels):
    return optax.softmax_cross_entropy_with_integer_labels(logits, labels).mean()


def build(seed: int = 0, fault: bool = True) -> nnw.Session:
    train, test = data.shapes(seed, classes=3)
    session = nnw.Session(
        nnw.from_nnx(Cnn(nnx.Rngs(seed)), cross_entropy),
        optax.adam(3e-3),
        stream(train, seed, fault),
        validation=data.batches(test, 80),
        validation_every=40,
        seed=seed,
    )
    session.held_out = test
    return session


def error(session: nnw.Session) -> float:
    images, labels = session.held_out
    return float(np.mean(np.argmax(session.model(images), -1) != labels))
