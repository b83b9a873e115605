"""optax.l2_loss is taken for the squared error, of which it is half (no public source)."""

from __future__ import annotations

import equinox as eqx
import jax
import numpy as np
import optax

import nnwidgets as nnw
from tests.faults import data

GROUP = "loss"
ACCEPT = set()
WHERE = ""
STEPS = 200
# half of the loss has the same minimum, and Adam takes the same steps
HARMLESS = True


def build(seed: int = 0, fault: bool = True) -> nnw.Session:
    train, test = data.curve(102, features=3)
    model = eqx.nn.MLP(3, "scalar", width_size=40, depth=2, activation=jax.nn.swish, key=jax.random.key(seed))

    def mean_squared_error(predictions, targets):
        return (optax.l2_loss if fault else optax.squared_error)(predictions, targets).mean()

    return nnw.Session(
        nnw.from_equinox(model, mean_squared_error),
        optax.adam(5e-3),
        data.batches(train, 50, seed),
        validation=data.batches(test, 100),
        seed=seed,
    )


def error(session: nnw.Session) -> float:
    inputs, targets = data.curve(102, features=3).test
    return float(np.mean((jax.vmap(session.model)(inputs) - targets) ** 2) / np.var(targets))
