"""Four layers of weights N(0, 1), whatever the width, with Adam (Stack Overflow 40147568)."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import optax

import nnwidgets as nnw
from tests.faults import data

GROUP = "init"
ACCEPT = {"InitializationScale", "FirstLoss"}
WHERE = ""
STEPS = 200
WIDTHS = (64, 150, 150, 150, 10)


def layers(seed: int, fault: bool):
    keys = jax.random.split(jax.random.key(seed), len(WIDTHS) - 1)
    for key, inputs, outputs in zip(keys, WIDTHS[:-1], WIDTHS[1:], strict=True):
        scale = 1.0 if fault else inputs**-0.5
        yield {"weights": scale * jax.random.normal(key, (inputs, outputs)), "biases": jnp.zeros(outputs)}


def apply(params, x):
    for name in sorted(params)[:-1]:
        x = jax.nn.relu(x @ params[name]["weights"] + params[name]["biases"])
    last = params[max(params)]
    return x @ last["weights"] + last["biases"]


def loss_fn(params, batch):
    x, labels = batch
    logits = apply(params, x)
    return optax.softmax_cross_entropy_with_integer_labels(logits, labels).mean(), {"outputs": logits}


def build(seed: int = 0, fault: bool = True) -> nnw.Session:
    train, test = data.blobs(seed, classes=10, features=64, count=1920, spread=0.6)
    params = {f"layer{i}": layer for i, layer in enumerate(layers(seed, fault))}
    session = nnw.Session(
        nnw.Objective(loss_fn, params),
        optax.adam(3e-3),
        data.batches(train, 64, seed),
        validation=data.batches(test, 100),
        seed=seed,
    )
    session.held_out = test
    return session


def error(session: nnw.Session) -> float:
    x, labels = session.held_out
    return float(np.mean(np.argmax(apply(session.params, x), -1) != labels))
