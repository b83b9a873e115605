"""The softmax runs over the examples instead of the classes (TDC, a synthetic program)."""

from __future__ import annotations

import flax.linen as linen
import jax
import jax.numpy as jnp
import numpy as np
import optax

import nnwidgets as nnw
from tests.faults import data

GROUP = "head"
ACCEPT = {"SoftmaxAxis", "RowsMixed"}
WHERE = ""
STEPS = 200

# ten clusters, three kinds of them
KINDS = np.array([0, 0, 0, 0, 1, 1, 1, 1, 2, 2], np.int32)


class Classifier(linen.Module):
    axis: int

    @linen.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        x = linen.relu(linen.Dense(32, name="hidden")(x))
        x = linen.Dense(3, name="scores")(x)
        return jax.nn.softmax(x, axis=self.axis)  # the fault


def negative_log_likelihood(probabilities: jax.Array, labels: jax.Array) -> jax.Array:
    chosen = jnp.take_along_axis(probabilities, labels[:, None], axis=1)
    return -jnp.log(chosen + 1e-9).mean()


def build(seed: int = 0, fault: bool = True) -> nnw.Session:
    split = data.blobs(seed, classes=10, features=10, count=1200)
    train, test = ((inputs, KINDS[labels.astype(int)]) for inputs, labels in split)
    model = Classifier(axis=0 if fault else -1)
    session = nnw.Session(
        nnw.from_linen(model, model.init(jax.random.key(seed), train[0][:1]), negative_log_likelihood),
        optax.adam(5e-3),
        data.batches(train, 30, seed),
        seed=seed,
    )
    session.held_out = model, *test
    return session


def error(session: nnw.Session) -> float:
    model, inputs, labels = session.held_out
    # one example at a time, as a trained classifier is asked: its answer must not hang on what else is in the batch
    answers = jax.vmap(lambda x: model.apply(session.model, x[None])[0].argmax())(inputs)
    return float(np.mean(answers != labels))
