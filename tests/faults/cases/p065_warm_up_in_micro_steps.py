"""A warm-up counted in micro-steps under optax.MultiSteps, whose schedule counts updates (AI-Hypercomputer/maxtext#812)."""

from __future__ import annotations

import numpy as np
import optax
from flax import nnx

import nnwidgets as nnw
from tests.faults import data

GROUP = "optax"
ACCEPT = {"ScheduleHorizon", "LearningRateTooLow"}
WHERE = ""
STEPS = 240
ACCUMULATE = 8


class Network(nnx.Module):
    def __init__(self, rngs: nnx.Rngs) -> None:
        self.first = nnx.Linear(8, 64, rngs=rngs)
        self.second = nnx.Linear(64, 32, rngs=rngs)
        self.last = nnx.Linear(32, 6, rngs=rngs)

    def __call__(self, inputs):
        return self.last(nnx.relu(self.second(nnx.relu(self.first(inputs)))))


def loss(logits, labels):
    return optax.softmax_cross_entropy_with_integer_labels(logits, labels).mean()


def build(seed: int = 0, fault: bool = True) -> nnw.Session:
    train, test = data.blobs(65, classes=6, features=8, spread=0.8)
    counted = STEPS if fault else STEPS // ACCUMULATE
    schedule = optax.warmup_cosine_decay_schedule(0.0, 0.01, counted * 2 // 5, counted)
    accumulated = optax.MultiSteps(optax.adam(schedule), every_k_schedule=ACCUMULATE)
    return nnw.Session(
        nnw.from_nnx(Network(nnx.Rngs(seed)), loss),
        accumulated.gradient_transformation(),
        data.epochs(train, 16, seed),
        validation=data.batches(test, 100),
        validation_every=60,
        seed=seed,
    )


def error(session: nnw.Session) -> float:
    inputs, labels = data.blobs(65, classes=6, features=8, spread=0.8).test
    return float(np.mean(np.argmax(session.model(inputs), -1) != labels))
