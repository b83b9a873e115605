"""Integer classes 0 to 4 on one sigmoid output under a categorical cross-entropy (Stack Overflow 66602662)."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import keras
import numpy as np
import optax

import nnwidgets as nnw
from tests.faults import data

GROUP = "head"
ACCEPT = {
    "OneUnitSoftmax",
    "LabelWidth",
    "LabelRange",
    "LabelCoding",
    "ZeroLoss",
    "ConstantLoss",
    "LossForTargets",
    "SigmoidForExclusiveClasses",
}
WHERE = "head"
STEPS = 200


def categorical_cross_entropy(outputs: jax.Array, labels: jax.Array) -> jax.Array:
    shares = outputs / jnp.sum(outputs, axis=-1, keepdims=True)
    return -jnp.mean(jnp.sum(labels * jnp.log(jnp.clip(shares, 1e-7, 1.0)), axis=-1))


def build(seed: int = 0, fault: bool = True) -> nnw.Session:
    keras.utils.set_random_seed(seed)
    split = data.blobs(seed, classes=5, features=16, count=1000)
    if fault:
        train, test = ((inputs, labels.astype(np.float32)[:, None]) for inputs, labels in split)
        head = keras.layers.Dense(1, activation="sigmoid", name="head")
    else:
        train, test = ((inputs, data.one_hot(labels, 5)) for inputs, labels in split)
        head = keras.layers.Dense(5, activation="softmax", name="head")
    model = keras.Sequential([keras.Input((16,)), keras.layers.Dense(40, activation="elu", name="hidden"), head])
    session = nnw.Session(
        nnw.from_keras(model, categorical_cross_entropy),
        optax.nadam(3e-3),
        data.batches(train, 32, seed),
        validation=[test],
        seed=seed,
    )
    session.held_out = split.test
    return session


def error(session: nnw.Session) -> float:
    inputs, labels = session.held_out
    return float(np.mean(np.asarray(session.model(inputs)).argmax(1) != labels))
