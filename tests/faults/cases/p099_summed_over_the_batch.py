"""The loss is summed over a batch of 512 instead of averaged, and the step is 512 times as long (apache/mxnet#1582)."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import optax
from flax import nnx

import nnwidgets as nnw
from tests.faults import data

GROUP = "loss"
ACCEPT = {"SumOverBatch", "LearningRateTooHigh", "Divergence", "ExplodingGradient"}
WHERE = ""
STEPS = 200


def cross_entropy(logits, labels):
    log_probabilities = jax.nn.log_softmax(logits, axis=-1)
    return -jnp.take_along_axis(log_probabilities, labels[:, None], axis=-1)[:, 0]


def build(seed: int = 0, fault: bool = True) -> nnw.Session:
    train, test = data.blobs(99, classes=6, features=16, count=2048)
    rngs = nnx.Rngs(seed)
    model = nnx.Sequential(nnx.Linear(16, 40, rngs=rngs), nnx.relu, nnx.Linear(40, 6, rngs=rngs))

    def loss(logits, labels):
        losses = cross_entropy(logits, labels)
        return losses.sum() if fault else losses.mean()  # the fault

    return nnw.Session(
        nnw.from_nnx(model, loss),
        optax.sgd(0.1),
        data.epochs(train, 512, seed),
        validation=data.batches(test, 400),
        seed=seed,
    )


def error(session: nnw.Session) -> float:
    inputs, labels = data.blobs(99, classes=6, features=16, count=2048).test
    return float(np.mean(np.argmax(session.model(inputs), -1) != labels))
