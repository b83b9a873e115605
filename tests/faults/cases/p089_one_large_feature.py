"""One feature is ten thousand times as large as the others, and nobody scaled it (semantics3's checklist)."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import optax

import nnwidgets as nnw
from tests.faults import data

GROUP = "data"
ACCEPT = {"InputScale"}
WHERE = ""
STEPS = 200


def initialize(key):
    first, second = jax.random.split(key)
    return {
        "W1": jax.random.normal(first, (8, 50)) * jnp.sqrt(2 / 8),
        "b1": jnp.zeros(50),
        "W2": jax.random.normal(second, (50, 1)) * jnp.sqrt(1 / 50),
        "b2": jnp.zeros(1),
    }


def logit(params, x):
    hidden = jax.nn.relu(x @ params["W1"] + params["b1"])
    return (hidden @ params["W2"] + params["b2"])[:, 0]


def loss_fn(params, batch):
    inputs, labels = batch
    logits = logit(params, inputs)
    return optax.sigmoid_binary_cross_entropy(logits, labels).mean(), {"outputs": logits, "targets": labels}


def examples(fault):
    units = np.ones(8, np.float32)
    units[3] = 1e4 if fault else 1
    return ((inputs * units, labels.astype(np.float32)) for inputs, labels in data.blobs(189, classes=2, features=8))


def build(seed: int = 0, fault: bool = True) -> nnw.Session:
    train, test = examples(fault)
    return nnw.Session(
        nnw.Objective(loss_fn, initialize(jax.random.key(seed))),
        optax.sgd(0.05, momentum=0.9),
        data.batches(train, 40, seed),
        validation=data.batches(test, 100),
        seed=seed,
        name="dollars" if fault else "scaled",
    )


def error(session: nnw.Session) -> float:
    _, (inputs, labels) = examples(session.name == "dollars")
    return float(np.mean((np.asarray(logit(session.params, inputs)) > 0) != labels))
