"""Parameters in float16: Adam's epsilon is 0 there, and a gradient of 0 gives 0 / 0 (google-deepmind/optax#1754)."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import optax

import nnwidgets as nnw
from tests.faults import data

GROUP = "precision"
ACCEPT = {"LowPrecision", "AdamEpsilon", "NonFinite"}
WHERE = ""
STEPS = 200


def make_params(key, dtype):
    keys = jax.random.split(key, 3)
    return {
        "w1": (jax.random.normal(keys[0], (10, 40)) * (2 / 10) ** 0.5).astype(dtype),
        "b1": jnp.zeros(40, dtype),
        "w2": (jax.random.normal(keys[1], (40, 40)) * (2 / 40) ** 0.5).astype(dtype),
        "b2": jnp.zeros(40, dtype),
        "w3": (jax.random.normal(keys[2], (40, 4)) * (1 / 40) ** 0.5).astype(dtype),
        "b3": jnp.zeros(4, dtype),
    }


def apply(params, x):
    half = jax.tree.map(lambda leaf: leaf.astype(jnp.float16), params)
    x = jax.nn.relu(x.astype(jnp.float16) @ half["w1"] + half["b1"])
    x = jax.nn.relu(x @ half["w2"] + half["b2"])
    return (x @ half["w3"] + half["b3"]).astype(jnp.float32)


def loss_fn(params, batch):
    images, labels = batch
    logits = apply(params, images)
    return optax.softmax_cross_entropy_with_integer_labels(logits, labels).mean(), {
        "outputs": logits,
        "targets": labels,
    }


def build(seed: int = 0, fault: bool = True) -> nnw.Session:
    train, test = data.blobs(75)
    params = make_params(jax.random.key(seed), jnp.float16 if fault else jnp.float32)
    return nnw.Session(
        nnw.Objective(loss_fn, params),
        optax.adam(2e-3),
        data.batches(train, 40, seed),
        validation=data.batches(test, 100),
        seed=seed,
    )


def error(session: nnw.Session) -> float:
    inputs, labels = data.blobs(75).test
    logits = apply(session.params, inputs)
    return float(np.mean(np.argmax(logits, -1) != labels)) if bool(jnp.isfinite(logits).all()) else float("nan")
