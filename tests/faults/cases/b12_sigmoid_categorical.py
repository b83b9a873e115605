"""Sigmoid outputs under a categorical cross-entropy, which pushes none of them down (Stack Overflow 41823068)."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import optax
from flax import nnx

import nnwidgets as nnw
from tests.faults import data

GROUP = "head"
ACCEPT = {"SigmoidForExclusiveClasses"}
WHERE = "layers/4"
STEPS = 200


def categorical_cross_entropy(probabilities: jax.Array, one_hot: jax.Array) -> jax.Array:
    return -jnp.sum(one_hot * jnp.log(probabilities + 1e-8), axis=-1).mean()


def build(seed: int = 0, fault: bool = True) -> nnw.Session:
    split = data.blobs(seed, classes=5, features=12, count=1000)
    train, test = ((inputs, data.one_hot(labels, 5)) for inputs, labels in split)
    rngs = nnx.Rngs(seed)
    model = nnx.Sequential(
        nnx.Linear(12, 32, rngs=rngs),
        nnx.relu,
        nnx.Linear(32, 32, rngs=rngs),
        nnx.relu,
        nnx.Linear(32, 5, rngs=rngs),
        nnx.sigmoid if fault else nnx.softmax,
    )
    session = nnw.Session(
        nnw.from_nnx(model, categorical_cross_entropy),
        optax.adam(2e-3),
        data.batches(train, 40, seed),
        validation=[test],
        seed=seed,
    )
    session.held_out = test
    return session


def error(session: nnw.Session) -> float:
    inputs, labels = session.held_out
    return float(np.mean(session.model(inputs).argmax(1) != labels.argmax(1)))
