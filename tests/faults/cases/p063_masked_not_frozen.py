"""A body that optax.masked leaves out is not frozen: its raw gradients are added to it (google-deepmind/optax#159)."""

from __future__ import annotations

import flax.linen as nn
import jax
import numpy as np
import optax

import nnwidgets as nnw
from tests.faults import data

GROUP = "optax"
ACCEPT = {"UnmaskedUpdates", "UpdateSign"}
WHERE = "body"
STEPS = 200


class Body(nn.Module):
    @nn.compact
    def __call__(self, x):
        x = nn.gelu(nn.Dense(48)(x))
        return nn.gelu(nn.Dense(48)(x))


class Classifier(nn.Module):
    def setup(self):
        self.body = Body()
        self.head = nn.Dense(5)

    def __call__(self, x):
        return self.head(self.body(x))


def loss(logits, labels):
    return optax.softmax_cross_entropy_with_integer_labels(logits, labels).mean()


def build(seed: int = 0, fault: bool = True) -> nnw.Session:
    train, test = data.blobs(63, classes=5, features=12, spread=0.8)
    model = Classifier()
    variables = model.init(jax.random.key(seed), train[0][:1])
    adam = optax.adam(0.01)
    if fault:
        # only the head is to learn
        tx = optax.masked(adam, {"body": False, "head": True})
    else:
        tx = optax.partition({"learn": adam, "keep": optax.set_to_zero()}, {"body": "keep", "head": "learn"})
    return nnw.Session(
        nnw.from_linen(model, variables, loss),
        tx,
        data.batches(train, 50, seed),
        validation=data.batches(test, 100),
        seed=seed,
    )


def error(session: nnw.Session) -> float:
    inputs, labels = data.blobs(63, classes=5, features=12, spread=0.8).test
    return float(np.mean(np.argmax(np.asarray(Classifier().apply(session.model, inputs)), -1) != labels))
