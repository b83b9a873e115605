"""One feature of up to a thousand million, from which many classes are to be told (Stack Overflow 58609115)."""

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
STEPS = 300
CLASSES = 8


def amounts(seed: int, count: int):
    """Amounts of money; each class has its own range."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, CLASSES, count).astype(np.int32)
    values = 1e9 * (labels + 0.5 + 0.12 * rng.normal(size=count)) / CLASSES
    return values[:, None].astype(np.float32), labels


def dense(key, inputs, outputs):
    return {"w": jax.random.normal(key, (inputs, outputs)) * inputs**-0.5, "b": jnp.zeros(outputs)}


def logits(params, x):
    for layer in params[:-1]:
        x = jax.nn.relu(x @ layer["w"] + layer["b"])
    return x @ params[-1]["w"] + params[-1]["b"]


def loss_fn(params, batch):
    values, labels = batch
    log_p = jax.nn.log_softmax(logits(params, values))
    return -jnp.take_along_axis(log_p, labels[:, None], axis=1).mean()


def build(seed: int = 0, fault: bool = True) -> nnw.Session:
    values, labels = amounts(seed, 800)
    test_values, test_labels = amounts(seed + 100, 500)
    if not fault:
        centre, width = values.mean(), values.std()
        values, test_values = (values - centre) / width, (test_values - centre) / width
    keys = jax.random.split(jax.random.key(seed), 3)
    params = [dense(keys[0], 1, 64), dense(keys[1], 64, 64), dense(keys[2], 64, CLASSES)]
    session = nnw.Session(
        nnw.Objective(loss_fn, params), optax.adam(0.01), data.batches((values, labels), 80, seed), seed=seed
    )
    session.held_out = test_values, test_labels
    return session


def error(session: nnw.Session) -> float:
    values, labels = session.held_out
    return float(np.mean(np.argmax(logits(session.params, values), -1) != labels))
