"""The loader divides the images by 255, and the user does so again (one of TheDeepChecker's synthetic faults)."""

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


class Net(nn.Module):
    @nn.compact
    def __call__(self, x):
        x = x.reshape(len(x), -1)
        for width in (96, 48):
            x = nn.relu(nn.Dense(width)(x))
        return nn.Dense(5)(x)


def load(seed: int):
    """Blobs as grey values between 0 and 1."""
    return [
        (np.clip(0.5 + 0.15 * x, 0, 1), labels) for x, labels in data.blobs(seed, classes=5, features=49, count=1000)
    ]


def loss(logits, labels):
    return optax.softmax_cross_entropy_with_integer_labels(logits, labels).mean()


def build(seed: int = 0, fault: bool = True) -> nnw.Session:
    (images, labels), (test_images, test_labels) = load(seed)
    if fault:
        images, test_images = images / 255, test_images / 255
    net = Net()
    session = nnw.Session(
        nnw.from_linen(net, net.init(jax.random.key(seed), images[:1]), loss),
        optax.sgd(0.1, momentum=0.9),
        data.batches((images, labels), 64, seed),
        validation=data.batches((test_images, test_labels), 100),
        seed=seed,
    )
    session.held_out = test_images, test_labels
    return session


def error(session: nnw.Session) -> float:
    images, labels = session.held_out
    return float(np.mean(np.argmax(np.asarray(Net().apply(session.model, images)), -1) != labels))
