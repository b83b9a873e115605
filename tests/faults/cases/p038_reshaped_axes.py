"""A reshape where a transpose was meant mixes the rows of a batch (karpathy.github.io, the recipe post)."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
from flax import nnx

import nnwidgets as nnw
from tests.faults import data

GROUP = "gradients"
ACCEPT = {"RowsMixed"}
WHERE = ""
STEPS = 200


class Recurrent(nnx.Module):
    """Token sequences read one step after the other, time first."""

    def __init__(self, fault: bool, rngs: nnx.Rngs) -> None:
        self.fault = fault
        self.embed = nnx.Embed(20, 12, rngs=rngs)
        self.enter = nnx.Linear(12, 32, rngs=rngs)
        self.again = nnx.Linear(32, 32, use_bias=False, kernel_init=nnx.initializers.orthogonal(), rngs=rngs)
        self.head = nnx.Linear(32, 3, rngs=rngs)

    def __call__(self, tokens: jax.Array) -> jax.Array:
        words = self.embed(tokens)
        rows, time, width = words.shape
        words = words.reshape(time, rows, width) if self.fault else words.swapaxes(0, 1)  # the fault
        hidden = jnp.zeros((rows, 32))
        for entering in self.enter(words):
            hidden = jnp.tanh(entering + self.again(hidden))
        return self.head(hidden)


def loss(logits: jax.Array, labels: jax.Array) -> jax.Array:
    return optax.softmax_cross_entropy_with_integer_labels(logits, labels).mean()


def build(seed: int = 0, fault: bool = True) -> nnw.Session:
    model, split = Recurrent(fault, nnx.Rngs(seed)), data.sentences(38, count=1200)
    return nnw.Session(
        nnw.from_nnx(model, loss),
        optax.adam(0.01),
        data.batches(split.train, 30, seed),
        validation=data.batches(split.test, 100, seed),
        seed=seed,
    )


def error(session: nnw.Session) -> float:
    tokens, labels = data.sentences(38, count=1200).test
    model: Any = session.model
    return float(np.mean(np.argmax(np.asarray(model(tokens)), -1) != labels))
