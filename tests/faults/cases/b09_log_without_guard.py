"""A cross-entropy written by hand takes the log of a softmax that has become 0 (TDC, MNIST with a loss by hand)."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import optax

import nnwidgets as nnw
from tests.faults import data

GROUP = "head"
ACCEPT = {"UnguardedLog", "NonFinite"}
WHERE = ""
STEPS = 200


def loud_and_quiet(part: tuple[np.ndarray, np.ndarray], seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Recordings of one class differ in how loud they are."""
    inputs, labels = part
    loudness = np.exp(np.random.default_rng(seed).normal(0, 0.8, (len(inputs), 1)))
    return (inputs * loudness / 2).astype(np.float32), data.one_hot(labels, 10)


def initial(key: jax.Array) -> dict[str, jax.Array]:
    keys = jax.random.split(key, 3)
    return {
        "w1": jax.random.normal(keys[0], (32, 128)) * jnp.sqrt(2 / 32),
        "b1": jnp.zeros(128),
        "w2": jax.random.normal(keys[1], (128, 64)) * jnp.sqrt(2 / 128),
        "b2": jnp.zeros(64),
        "w3": jax.random.normal(keys[2], (64, 10)) * 0.05,
        "b3": jnp.zeros(10),
    }


def logits(params: dict[str, jax.Array], x: jax.Array) -> jax.Array:
    x = jax.nn.relu(x @ params["w1"] + params["b1"])
    x = jax.nn.relu(x @ params["w2"] + params["b2"])
    return x @ params["w3"] + params["b3"]


def by_hand(params: dict[str, jax.Array], batch: tuple[jax.Array, jax.Array]) -> jax.Array:
    x, y = batch
    prediction = jax.nn.softmax(logits(params, x))
    return -jnp.mean(jnp.sum(y * jnp.log(prediction), axis=1))  # the fault


def stable(params: dict[str, jax.Array], batch: tuple[jax.Array, jax.Array]) -> jax.Array:
    x, y = batch
    return -jnp.mean(jnp.sum(y * jax.nn.log_softmax(logits(params, x)), axis=1))


def build(seed: int = 0, fault: bool = True) -> nnw.Session:
    split = data.blobs(seed, classes=10, features=32, count=2000)
    train, test = loud_and_quiet(split.train, seed), loud_and_quiet(split.test, seed + 100)
    session = nnw.Session(
        nnw.Objective(by_hand if fault else stable, initial(jax.random.key(seed))),
        optax.adam(2e-3),
        data.batches(train, 64, seed),
        seed=seed,
    )
    session.held_out = test
    return session


def error(session: nnw.Session) -> float:
    inputs, labels = session.held_out
    if not np.isfinite(session.timeline.losses).all():
        return float("nan")
    return float(np.mean(logits(session.params, inputs).argmax(1) != labels.argmax(1)))
