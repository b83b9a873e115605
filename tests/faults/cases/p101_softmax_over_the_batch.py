"""Softmax runs over the batch's axis instead of the classes' (no public source)."""

from __future__ import annotations

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import optax

import nnwidgets as nnw
from tests.faults import data

GROUP = "loss"
ACCEPT = {"SoftmaxAxis", "RowsMixed"}
WHERE = ""
STEPS = 200


class Network(nn.Module):
    axis: int

    @nn.compact
    def __call__(self, x):
        x = nn.relu(nn.Dense(32)(x))
        return nn.softmax(nn.Dense(2)(x), axis=self.axis)  # the fault


def negative_log_likelihood(probabilities, labels):
    chosen = jnp.take_along_axis(probabilities, labels[:, None], axis=1)
    return -jnp.mean(jnp.log(chosen + 1e-8))


def build(seed: int = 0, fault: bool = True) -> nnw.Session:
    train, test = data.rings(101)
    model = Network(0 if fault else -1)
    return nnw.Session(
        nnw.from_linen(model, model.init(jax.random.key(seed), train[0][:2]), negative_log_likelihood),
        optax.adam(5e-3),
        data.batches(train, 50, seed),
        validation=data.batches(test, 100),
        seed=seed,
        name="columns" if fault else "rows",
    )


def error(session: nnw.Session) -> float:
    points, labels = data.rings(101).test
    model = Network(0 if session.name == "columns" else -1)
    # in use, points come one by one
    probabilities = jax.vmap(lambda point: model.apply(session.model, point[None]))(points)
    return float(np.mean(np.argmax(np.asarray(probabilities)[:, 0], -1) != labels))
