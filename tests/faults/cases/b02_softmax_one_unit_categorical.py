"""A softmax over one unit under a categorical cross-entropy: the loss is 0 from the first step (Stack Overflow 56218256)."""

from __future__ import annotations

import flax.linen as linen
import jax
import jax.numpy as jnp
import numpy as np
import optax

import nnwidgets as nnw
from tests.faults import data

GROUP = "head"
ACCEPT = {"OneUnitSoftmax", "ZeroLoss", "ConstantLoss", "LossForTargets"}
WHERE = "Dense_2"
STEPS = 200


class Classifier(linen.Module):
    softmax: bool

    @linen.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        for width in (64, 32):
            x = linen.relu(linen.Dense(width)(x))
        score = linen.Dense(1)(x)
        if self.softmax:
            return linen.softmax(score)  # the fault
        return linen.sigmoid(score)


def categorical_cross_entropy(probabilities: jax.Array, labels: jax.Array) -> jax.Array:
    return -jnp.mean(jnp.sum(labels * jnp.log(probabilities + 1e-8), axis=-1))


def binary_cross_entropy(probabilities: jax.Array, labels: jax.Array) -> jax.Array:
    yes, no = jnp.log(probabilities + 1e-8), jnp.log(1 - probabilities + 1e-7)
    return -jnp.mean(labels * yes + (1 - labels) * no)


def examples(part: tuple[np.ndarray, np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    inputs, groups = part
    return inputs, (groups < 3).astype(np.float32)[:, None]


def build(seed: int = 0, fault: bool = True) -> nnw.Session:
    split = data.blobs(seed, classes=6, features=50, count=1000)
    train, test = examples(split.train), examples(split.test)
    model = Classifier(softmax=fault)
    variables = model.init(jax.random.key(seed), train[0][:1])
    loss = categorical_cross_entropy if fault else binary_cross_entropy
    session = nnw.Session(
        nnw.from_linen(model, variables, loss),
        optax.adam(1e-3),
        data.batches(train, 40, seed),
        validation=[test],
        seed=seed,
    )
    session.held_out = model, *test
    return session


def error(session: nnw.Session) -> float:
    model, inputs, labels = session.held_out
    return float(np.mean((model.apply(session.model, inputs) > 0.5) != labels))
