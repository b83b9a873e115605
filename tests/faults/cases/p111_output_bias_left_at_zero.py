"""Targets lie about 50 and the output's bias begins at 0: first the mean is learned (Karpathy's recipe; makemore)."""

from __future__ import annotations

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import optax

import nnwidgets as nnw
from tests.faults import data

GROUP = "init"
ACCEPT = {"FirstLoss", "TargetScale"}
WHERE = ""
STEPS = 200
MEAN, DEVIATION = 50.0, 2.0


class Network(nn.Module):
    output_bias: float = 0.0

    @nn.compact
    def __call__(self, x):
        x = nn.tanh(nn.Dense(64, name="hidden1")(x))
        x = nn.tanh(nn.Dense(32, name="hidden2")(x))
        return nn.Dense(1, bias_init=nn.initializers.constant(self.output_bias), name="output")(x)


def loss(predictions, targets):
    return jnp.mean((predictions - targets) ** 2)


def examples():
    for inputs, targets in data.curve(111, features=3):
        yield inputs, (MEAN + DEVIATION * targets[:, None]).astype(np.float32)


def build(seed: int = 0, fault: bool = True) -> nnw.Session:
    train, test = examples()
    model = Network(0.0 if fault else float(np.mean(train[1])))
    return nnw.Session(
        nnw.from_linen(model, model.init(jax.random.key(seed), train[0][:1]), loss),
        optax.adam(5e-3),
        data.batches(train, 50, seed),
        validation=data.batches(test, 100),
        seed=seed,
    )


def error(session: nnw.Session) -> float:
    _, (inputs, targets) = examples()
    predictions = np.asarray(Network().apply(session.model, inputs))
    return float(np.mean((predictions - targets) ** 2) / np.var(targets))
