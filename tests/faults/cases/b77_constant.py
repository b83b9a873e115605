"""All weights begin at 0.01, so that all units of a layer stay the same (Stack Overflow 55006469)."""

from __future__ import annotations

import numpy as np
import optax
from flax import nnx

import nnwidgets as nnw
from tests.faults import data

GROUP = "init"
ACCEPT = {"ConstantInitialization"}
WHERE = ""
STEPS = 200


class Network(nnx.Module):
    def __init__(self, rngs, init):
        self.enter = nnx.Linear(10, 24, kernel_init=init, rngs=rngs)
        self.middle = nnx.Linear(24, 24, kernel_init=init, rngs=rngs)
        self.leave = nnx.Linear(24, 4, kernel_init=init, rngs=rngs)

    def __call__(self, x):
        return self.leave(nnx.tanh(self.middle(nnx.tanh(self.enter(x)))))


def loss(logits, labels):
    return optax.softmax_cross_entropy_with_integer_labels(logits, labels).mean()


def build(seed: int = 0, fault: bool = True) -> nnw.Session:
    train, test = data.blobs(seed)
    init = nnx.initializers.constant(0.01) if fault else nnx.initializers.glorot_normal()
    session = nnw.Session(
        nnw.from_nnx(Network(nnx.Rngs(seed), init), loss),
        optax.adamw(5e-3),
        data.batches(train, 50, seed),
        validation=data.batches(test, 100),
        seed=seed,
    )
    session.held_out = test
    return session


def error(session: nnw.Session) -> float:
    inputs, labels = session.held_out
    return float(np.mean(np.argmax(session.model(inputs), -1) != labels))
