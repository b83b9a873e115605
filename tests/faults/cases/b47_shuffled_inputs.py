"""The inputs are shuffled and the labels are not (Stack Overflow 40467990)."""

from __future__ import annotations

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax

import nnwidgets as nnw
from tests.faults import data

GROUP = "data"
ACCEPT = {"MisalignedLabels", "Overfitting", "NothingLearned"}
WHERE = ""
STEPS = 400


def shuffle(inputs, labels, seed, fault):
    rng = np.random.default_rng(seed)
    order = rng.permutation(len(inputs))
    return inputs[order], labels if fault else labels[order]


def cross_entropy(logits, labels):
    return -jnp.mean(jnp.sum(jax.nn.log_softmax(logits) * jax.nn.one_hot(labels, 4), axis=-1))


def build(seed: int = 0, fault: bool = True) -> nnw.Session:
    (inputs, labels), test = data.blobs(seed, classes=4, features=20, count=480, spread=0.8)
    inputs, labels = shuffle(inputs, labels, seed, fault)
    batches = [(inputs[i : i + 40], labels[i : i + 40]) for i in range(0, 480, 40)]
    model = eqx.nn.MLP(20, 4, 64, 2, key=jax.random.key(seed))
    session = nnw.Session(
        nnw.from_equinox(model, cross_entropy),
        optax.adam(2e-3),
        batches,
        validation=data.batches(test, 100),
        validation_every=50,
        seed=seed,
    )
    session.held_out = test
    return session


def error(session: nnw.Session) -> float:
    inputs, labels = session.held_out
    return float(np.mean(np.argmax(jax.vmap(session.model)(inputs), -1) != labels))
