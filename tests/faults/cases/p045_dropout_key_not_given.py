"""Dropout in training without a random key: Linen raises (google/flax PR#2492)."""

from __future__ import annotations

from typing import Any

import flax.linen as nn
import jax
import optax

import nnwidgets as nnw
from tests.faults import data

GROUP = "state"
ACCEPT = {"DropoutKey"}
WHERE = "Dropout_0"
EXPECT = 'Dropout_0 needs PRNG for "dropout"'


class Dropping(nn.Module):
    @nn.compact
    def __call__(self, x: jax.Array, train: bool = False) -> jax.Array:
        x = nn.Dropout(0.2, deterministic=not train)(nn.relu(nn.Dense(32)(x)))
        return nn.Dense(1)(x)[:, 0]


def loud() -> None:
    model, split = Dropping(), data.curve(45)
    variables: Any = model.init(jax.random.key(0), split.train[0][:2])

    def loss_fn(params: Any, batch: Any, *, train: bool) -> Any:
        predicted: Any = model.apply({"params": params}, batch[0], train)
        return optax.l2_loss(predicted, batch[1]).mean()

    nnw.Session(nnw.Objective(loss_fn, variables["params"]), optax.adam(3e-3), data.batches(split.train, 30)).run(1)
