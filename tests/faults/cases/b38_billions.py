"""21 rows with features up to 3 billion, and a ReLU as the probability of a class (Stack Overflow 44066044)."""

from __future__ import annotations

from collections.abc import Callable

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax

import nnwidgets as nnw
from tests.faults import data

GROUP = "data"
ACCEPT = {"InputScale", "OutputRange", "ClippedLoss", "DeadUnits"}
WHERE = ""
STEPS = 200
UNITS = 10.0 ** np.array([0, 9, 2, 3, 6, 1, 9, 0, 4, 5, 2])


class Classifier(eqx.Module):
    first: eqx.nn.Linear
    second: eqx.nn.Linear
    last: eqx.nn.Linear
    head: Callable = eqx.field(static=True)

    def __call__(self, row):
        hidden = jax.nn.relu(self.second(jax.nn.relu(self.first(row))))
        return self.head(self.last(hidden)[0])  # the fault


def binary_cross_entropy(probabilities, labels):
    p = jnp.clip(probabilities, 1e-7, 1 - 1e-7)
    return -jnp.mean(labels * jnp.log(p) + (1 - labels) * jnp.log1p(-p))


def build(seed: int = 0, fault: bool = True) -> nnw.Session:
    (rows, labels), (test_rows, test_labels) = data.blobs(seed, classes=2, features=11, count=21)
    # positive quantities in very different units
    rows, test_rows = ((np.exp(0.3 * x) * UNITS).astype(np.float32) for x in (rows, test_rows))
    if not fault:
        centre, width = rows.mean(0), rows.std(0)
        rows, test_rows = (rows - centre) / width, (test_rows - centre) / width

    keys = jax.random.split(jax.random.key(seed), 3)
    model = Classifier(
        eqx.nn.Linear(11, 12, key=keys[0]),
        eqx.nn.Linear(12, 12, key=keys[1]),
        eqx.nn.Linear(12, 1, key=keys[2]),
        jax.nn.relu if fault else jax.nn.sigmoid,
    )
    batch = (rows, labels.astype(np.float32))
    session = nnw.Session(nnw.from_equinox(model, binary_cross_entropy), optax.adam(3e-3), [batch], seed=seed)
    session.held_out = test_rows, test_labels
    return session


def error(session: nnw.Session) -> float:
    rows, labels = session.held_out
    return float(np.mean((jax.vmap(session.model)(rows) > 0.5) != labels))
