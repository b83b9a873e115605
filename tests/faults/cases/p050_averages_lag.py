"""Batch norm with momentum 0.99 in a short run: the averages are still far behind (tensorflow/tensorflow#1122)."""

from __future__ import annotations

from typing import Any

import flax.linen as nn
import jax
import numpy as np
import optax

import nnwidgets as nnw
from tests.faults import data

GROUP = "state"
ACCEPT = {"BatchNormLag"}
WHERE = "BatchNorm_0"
STEPS = 60


class SetNet(nn.Module):
    """Adds up what it sees in each element of a set, and normalises the sums, whose mean is far from 0."""

    momentum: float

    @nn.compact
    def __call__(self, sets: jax.Array, train: bool = False) -> jax.Array:
        seen = nn.relu(nn.Dense(24)(sets)).sum(1)
        seen = nn.BatchNorm(use_running_average=not train, momentum=self.momentum)(seen)
        return nn.Dense(3)(nn.relu(nn.Dense(24)(seen)))


def clouds(seed: int, count: int) -> tuple[data.Array, data.Array]:
    """A hundred points of the plane in each set; the class is along which direction they are spread."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, 3, count).astype(np.int32)
    angle = np.pi * labels / 3
    along = np.stack([np.cos(angle), np.sin(angle)], -1)[:, None]
    points = 0.7 * rng.normal(size=(count, 100, 2)) + 0.9 * rng.normal(size=(count, 100, 1)) * along
    return points.astype(np.float32), labels


def cross_entropy(logits: jax.Array, labels: jax.Array) -> jax.Array:
    return optax.softmax_cross_entropy_with_integer_labels(logits, labels).mean()


def build(seed: int = 0, fault: bool = True) -> nnw.Session:
    model, test = SetNet(0.99 if fault else 0.8), clouds(1, 300)
    variables: Any = model.init(jax.random.key(seed), test[0][:2])
    objective = nnw.from_linen(model, variables, cross_entropy)
    batches = data.batches(clouds(0, 800), 40, seed)
    return nnw.Session(objective, optax.adam(0.01), batches, validation=[test], validation_every=20, seed=seed)


def error(session: nnw.Session) -> float:
    points, labels = clouds(1, 300)
    logits = SetNet(0.99).apply(session.model, points)
    return float(np.mean(np.argmax(np.asarray(logits), -1) != labels))
