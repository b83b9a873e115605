"""Clipping that was meant for the gradients stands after Adam and clips its updates (awslabs/graphstorm#1366)."""

from __future__ import annotations

import numpy as np
import optax
from flax import nnx

import nnwidgets as nnw
from tests.faults import data

GROUP = "optax"
ACCEPT = {"ClippingAfterAdam", "TightClipping", "LearningRateTooLow"}
WHERE = ""
STEPS = 200


class Network(nnx.Module):
    def __init__(self, rngs: nnx.Rngs) -> None:
        self.first = nnx.Linear(2, 48, rngs=rngs)
        self.second = nnx.Linear(48, 48, rngs=rngs)
        self.third = nnx.Linear(48, 1, rngs=rngs)

    def __call__(self, points):
        return self.third(nnx.silu(self.second(nnx.silu(self.first(points)))))[:, 0]


def loss(logits, labels):
    return optax.sigmoid_binary_cross_entropy(logits, labels).mean()


def build(seed: int = 0, fault: bool = True) -> nnw.Session:
    train, test = data.rings(69)
    clip, adam = optax.clip_by_global_norm(0.02), optax.adam(5e-3)
    return nnw.Session(
        nnw.from_nnx(Network(nnx.Rngs(seed)), loss),
        optax.chain(adam, clip) if fault else optax.chain(clip, adam),
        data.batches(train, 50, seed),
        validation=data.batches(test, 100),
        seed=seed,
    )


def error(session: nnw.Session) -> float:
    points, labels = data.rings(69).test
    return float(np.mean((np.asarray(session.model(points)) > 0) != labels))
