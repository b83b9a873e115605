"""The optimizer holds the last layer alone; all others stay, while batch statistics move (PyTorch forum 84911)."""

from __future__ import annotations

import flax.linen as nn
import jax
import numpy as np
import optax

import nnwidgets as nnw
from tests.faults import data

GROUP = "steps"
ACCEPT = {"FrozenParameters", "NothingChanges"}
WHERE = "body"
STEPS = 200


class Body(nn.Module):
    @nn.compact
    def __call__(self, x, train):
        for width in (12, 12):
            x = nn.Conv(width, (3, 3), use_bias=False)(x)
            x = nn.relu(nn.BatchNorm(use_running_average=not train, momentum=0.9)(x))
        return nn.max_pool(x, (3, 3), (3, 3)).mean((1, 2))


class Classifier(nn.Module):
    def setup(self):
        self.body = Body()
        self.head = nn.Dense(4)

    def __call__(self, x, train=True):
        return self.head(self.body(x, train))


def cross_entropy(logits, labels):
    return optax.softmax_cross_entropy_with_integer_labels(logits, labels).mean()


def build(seed: int = 0, fault: bool = True) -> nnw.Session:
    train, test = data.shapes(seed)
    model = Classifier()
    objective = nnw.from_linen(model, model.init(jax.random.key(seed), train[0][:2], train=False), cross_entropy)
    tx = optax.adam(1e-2)
    if fault:
        tx = optax.multi_transform({"trained": tx, "rest": optax.set_to_zero()}, {"body": "rest", "head": "trained"})
    session = nnw.Session(
        objective,
        tx,
        data.batches(train, 40, seed),
        validation=data.batches(test, 100),
        seed=seed,
    )
    session.held_out = test
    return session


def error(session: nnw.Session) -> float:
    images, labels = session.held_out
    return float(np.mean(np.argmax(np.asarray(Classifier().apply(session.model, images, train=False)), -1) != labels))
