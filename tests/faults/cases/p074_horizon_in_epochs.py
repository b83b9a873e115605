"""A cosine schedule is given its length in epochs but counts batches: the learning rate is soon 0 (no public source)."""

from __future__ import annotations

import jax.numpy as jnp
import numpy as np
import optax
from flax import nnx

import nnwidgets as nnw
from tests.faults import data

GROUP = "optax"
ACCEPT = {"ScheduleHorizon", "LearningRateTooLow"}
WHERE = ""
STEPS = 200
EPOCHS, BATCH_SIZE, EXAMPLES = 10, 32, 640


class Regressor(nnx.Module):
    def __init__(self, rngs: nnx.Rngs) -> None:
        self.encoder = nnx.Linear(6, 64, rngs=rngs)
        self.decoder = nnx.Linear(64, 1, rngs=rngs)

    def __call__(self, x):
        return self.decoder(nnx.gelu(self.encoder(x))).squeeze(-1)


def loss(predictions, targets):
    return jnp.square(predictions - targets).mean()


def build(seed: int = 0, fault: bool = True) -> nnw.Session:
    train, test = data.curve(74, features=6, count=EXAMPLES)
    steps = EPOCHS if fault else EPOCHS * (EXAMPLES // BATCH_SIZE)
    return nnw.Session(
        nnw.from_nnx(Regressor(nnx.Rngs(seed)), loss),
        optax.adam(optax.cosine_decay_schedule(0.02, decay_steps=steps)),
        data.epochs(train, BATCH_SIZE, seed),
        validation=data.batches(test, 100),
        seed=seed,
    )


def error(session: nnw.Session) -> float:
    inputs, targets = data.curve(74, features=6, count=EXAMPLES).test
    return float(np.mean((session.model(inputs) - targets) ** 2) / np.var(targets))
