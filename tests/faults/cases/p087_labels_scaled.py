"""Class labels went through the features' 0-to-1 scaling, and one_hot of a fraction is a row of zeros (optax#1185)."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import optax

import nnwidgets as nnw
from tests.faults import data

GROUP = "data"
ACCEPT = {"LabelCoding", "LabelRange"}
WHERE = ""
STEPS = 200
CLASSES = 5


def init(key):
    first, second = jax.random.split(key)
    return {
        "hidden": {"w": jax.random.normal(first, (8, 30)) * 0.5, "b": jnp.zeros(30)},
        "output": {"w": jax.random.normal(second, (30, CLASSES)) * 0.18, "b": jnp.zeros(CLASSES)},
    }


def forward(params, x):
    x = jax.nn.leaky_relu(x @ params["hidden"]["w"] + params["hidden"]["b"])
    return x @ params["output"]["w"] + params["output"]["b"]


def loss_fn(params, batch):
    features, labels = batch[:, :-1], batch[:, -1]
    targets = jax.nn.one_hot(labels, CLASSES)  # the fault
    return -jnp.mean(jnp.sum(targets * jax.nn.log_softmax(forward(params, features)), axis=1))


def minmax(table):
    return (table - table.min(axis=0)) / (table.max(axis=0) - table.min(axis=0))


def table(inputs, labels, fault):
    """Features and label side by side, as in the file."""
    features, labels = 6 * minmax(inputs) - 3, labels[:, None].astype(np.float32)
    return np.concatenate([features, minmax(labels) if fault else labels], axis=1)


def build(seed: int = 0, fault: bool = True) -> nnw.Session:
    train, test = (table(*part, fault) for part in data.blobs(387, classes=CLASSES, features=8))
    return nnw.Session(
        nnw.Objective(loss_fn, init(jax.random.key(seed))),
        optax.adam(5e-3),
        [rows for (rows,) in data.batches((train,), 40, seed)],
        validation=[rows for (rows,) in data.batches((test,), 100)],
        seed=seed,
    )


def error(session: nnw.Session) -> float:
    inputs, labels = data.blobs(387, classes=CLASSES, features=8).test
    features = table(inputs, labels, fault=False)[:, :-1]
    return float(np.mean(np.argmax(forward(session.params, features), -1) != labels))
