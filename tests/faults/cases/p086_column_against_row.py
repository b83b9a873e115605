"""Predictions of shape (n, 1) minus targets of shape (n,) make n x n differences (pytorch/pytorch#16045)."""

from __future__ import annotations

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import optax

import nnwidgets as nnw
from tests.faults import data

GROUP = "data"
ACCEPT = {"SilentBroadcast", "LabelWidth"}
WHERE = ""
STEPS = 200


def initialize(key, widths=(5, 40, 1)):
    layers = {}
    for index, (fan_in, fan_out) in enumerate(itertools.pairwise(widths)):
        key, drawn = jax.random.split(key)
        bound = (6 / (fan_in + fan_out)) ** 0.5
        weights = jax.random.uniform(drawn, (fan_in, fan_out), minval=-bound, maxval=bound)
        layers[f"dense{index}"] = {"weights": weights, "bias": jnp.zeros(fan_out)}
    return layers


def predict(params, x):
    x = jnp.tanh(x @ params["dense0"]["weights"] + params["dense0"]["bias"])
    return x @ params["dense1"]["weights"] + params["dense1"]["bias"]


def build(seed: int = 0, fault: bool = True) -> nnw.Session:
    train, test = data.curve(86)

    def loss_fn(params, batch):
        inputs, targets = batch
        predictions = predict(params, inputs)
        if not fault:
            targets = targets[:, None]
        errors = predictions - targets  # the fault
        return jnp.mean(errors**2)

    return nnw.Session(
        nnw.Objective(loss_fn, initialize(jax.random.key(seed))),
        optax.adam(0.02),
        data.epochs(train, 64, seed),
        validation=data.batches(test, 64),
        seed=seed,
    )


def error(session: nnw.Session) -> float:
    inputs, targets = data.curve(86).test
    return float(np.mean((predict(session.params, inputs)[:, 0] - targets) ** 2) / np.var(targets))
