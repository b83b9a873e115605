"""Weights of a tanh network are drawn from N(0, 1) whatever the width: saturated, and sure of itself (makemore part 3)."""

from __future__ import annotations

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import optax

import nnwidgets as nnw
from tests.faults import data

GROUP = "init"
ACCEPT = {"InitializationScale", "FirstLoss", "SaturatedUnits"}
WHERE = ""
STEPS = 200
SIZES = (20, 200, 200, 5)


def draw(key, gain):
    """Weights of N(0, 1), or of N(0, 1 / inputs) with a gain."""
    params = {}
    for number, (fan_in, fan_out) in enumerate(itertools.pairwise(SIZES), start=1):
        key, drawn = jax.random.split(key)
        deviation = 1.0 if gain is None else gain / fan_in**0.5
        params[f"layer{number}"] = {
            "w": deviation * jax.random.normal(drawn, (fan_in, fan_out)),
            "b": jnp.zeros(fan_out),
        }
    return params


def logits_of(params, x):
    for name in ("layer1", "layer2"):
        x = jnp.tanh(x @ params[name]["w"] + params[name]["b"])
    return x @ params["layer3"]["w"] + params["layer3"]["b"]


def loss_fn(params, batch):
    x, y = batch
    logits = logits_of(params, x)
    return optax.softmax_cross_entropy_with_integer_labels(logits, y).mean(), {"outputs": logits, "targets": y}


def build(seed: int = 0, fault: bool = True) -> nnw.Session:
    train, test = data.blobs(105, classes=5, features=20)
    return nnw.Session(
        nnw.Objective(loss_fn, draw(jax.random.key(seed), None if fault else 1.0)),
        optax.sgd(0.05),
        data.batches(train, 50, seed),
        validation=data.batches(test, 100),
        seed=seed,
    )


def error(session: nnw.Session) -> float:
    x, y = data.blobs(105, classes=5, features=20).test
    return float(np.mean(np.argmax(logits_of(session.params, x), -1) != y))
