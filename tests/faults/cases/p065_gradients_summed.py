"""Gradients accumulated as a sum instead of a mean: the step is k times as long (agokrani/distillKitPlus#5)."""

from __future__ import annotations

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax

import nnwidgets as nnw
from tests.faults import data

GROUP = "optax"
ACCEPT = {"AccumulationScale", "LearningRateTooHigh", "Divergence", "ExplodingGradient", "Oscillation"}
WHERE = ""
STEPS = 400
MICRO_BATCHES = 8


def mean_squared_error(predictions, targets):
    return jnp.mean((predictions - targets) ** 2)


def build(seed: int = 0, fault: bool = True) -> nnw.Session:
    train, test = data.curve(65, features=2)
    model = eqx.nn.MLP(2, "scalar", width_size=40, depth=2, activation=jax.nn.silu, key=jax.random.key(seed))
    every = optax.MultiSteps(optax.sgd(0.1, momentum=0.9), MICRO_BATCHES, use_grad_mean=not fault)
    return nnw.Session(
        nnw.from_equinox(model, mean_squared_error),
        every.gradient_transformation(),
        data.batches(train, 30, seed),
        validation=data.batches(test, 200),
        seed=seed,
    )


def error(session: nnw.Session) -> float:
    inputs, targets = data.curve(65, features=2).test
    predictions = jax.vmap(session.model)(inputs)
    return float(np.mean((predictions - targets) ** 2) / np.var(targets))
