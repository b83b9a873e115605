"""SGD at a rate of 1 throws the units of a ReLU network to where they are always off (Stack Overflow 53749895)."""

from __future__ import annotations

import jax.numpy as jnp
import numpy as np
import optax
from flax import nnx

import nnwidgets as nnw
from tests.faults import data

GROUP = "init"
ACCEPT = {"DeadUnits", "LearningRateTooHigh", "Divergence", "ZeroGradient", "NonFinite"}
WHERE = ""
STEPS = 200


class Regressor(nnx.Module):
    def __init__(self, rngs):
        he = nnx.initializers.he_normal()
        self.blocks = nnx.List([nnx.Linear(n, 40, kernel_init=he, rngs=rngs) for n in (6, 40, 40)])
        self.out = nnx.Linear(40, 1, rngs=rngs)

    def __call__(self, x):
        for block in self.blocks:
            x = nnx.relu(block(x))
        return jnp.squeeze(self.out(x), axis=-1)


def huber(predictions, targets):
    return optax.huber_loss(predictions, targets).mean()


def build(seed: int = 0, fault: bool = True) -> nnw.Session:
    train, test = data.curve(seed, features=6, count=960)
    session = nnw.Session(
        nnw.from_nnx(Regressor(nnx.Rngs(seed)), huber),
        optax.sgd(1.0 if fault else 0.05, momentum=0.9),
        data.batches(train, 64, seed),
        validation=data.batches(test, 100),
        seed=seed,
    )
    session.held_out = test
    return session


def error(session: nnw.Session) -> float:
    inputs, targets = session.held_out
    return float(np.mean((session.model(inputs) - targets) ** 2) / np.var(targets))
