"""A bias right before batch norm has almost no gradient, which is harmless (the makemore notebook leaves it out)."""

from __future__ import annotations

from typing import Any

import flax.linen as nn
import jax
import numpy as np
import optax

import nnwidgets as nnw
from tests.faults import data

GROUP = "gradients"
ACCEPT = {"BiasBeforeBatchNorm"}
HARMLESS = True
WHERE = "Dense_0"
STEPS = 200


class Normed(nn.Module):
    bias: bool

    @nn.compact
    def __call__(self, x: jax.Array, train: bool = False) -> jax.Array:
        for width in (40, 24):
            x = nn.Dense(width, use_bias=self.bias)(x)
            x = nn.relu(nn.BatchNorm(use_running_average=not train, momentum=0.9)(x))
        return nn.Dense(4)(x)


def cross_entropy(logits: jax.Array, labels: jax.Array) -> jax.Array:
    return optax.softmax_cross_entropy_with_integer_labels(logits, labels).mean()


def build(seed: int = 0, fault: bool = True) -> nnw.Session:
    split, model = data.blobs(36, spread=1.3), Normed(bias=fault)
    variables: Any = model.init(jax.random.key(seed), split.train[0][:2])
    objective = nnw.from_linen(model, variables, cross_entropy)
    batches = data.batches(split.train, 40, seed)
    return nnw.Session(objective, optax.sgd(0.05, momentum=0.9), batches, validation=[split.test], seed=seed)


def error(session: nnw.Session) -> float:
    inputs, labels = data.blobs(36, spread=1.3).test
    model: Any = session.model
    logits = Normed("bias" in model["params"]["Dense_0"]).apply(model, inputs)
    return float(np.mean(np.argmax(np.asarray(logits), -1) != labels))
