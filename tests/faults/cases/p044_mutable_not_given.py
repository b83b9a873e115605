"""Batch norm in training without `mutable`: Linen raises (google/evojax#60, danijar/ninjax#13)."""

from __future__ import annotations

from typing import Any

import flax.linen as nn
import jax
import optax

import nnwidgets as nnw
from tests.faults import data

GROUP = "state"
ACCEPT = {"BatchStatisticsNotStored"}
WHERE = "BatchNorm_0"
EXPECT = 'Cannot update variable "mean" in "/BatchNorm_0" because collection "batch_stats" is immutable'


class Normed(nn.Module):
    @nn.compact
    def __call__(self, x: jax.Array, train: bool) -> jax.Array:
        x = nn.relu(nn.BatchNorm(use_running_average=not train)(nn.Dense(16, use_bias=False)(x)))
        return nn.Dense(4)(x)


def loud() -> None:
    model, split = Normed(), data.blobs(44)
    variables: Any = model.init(jax.random.key(0), split.train[0][:2], train=False)

    def loss_fn(params: Any, batch: Any, *, state: Any, train: bool) -> Any:
        inputs, labels = batch
        logits: Any = model.apply({"params": params, "batch_stats": state}, inputs, train=train)
        return optax.softmax_cross_entropy_with_integer_labels(logits, labels).mean(), {"state": state}

    objective = nnw.Objective(loss_fn, variables["params"], variables["batch_stats"])
    nnw.Session(objective, optax.adam(3e-3), data.batches(split.train, 30)).run(1)
