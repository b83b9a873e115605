"""Attention over a text that is all padding: softmax of a row of -inf is NaN (jax-ml/jax#6811, tensorflow/tensorflow#11756)."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
from flax import nnx

import nnwidgets as nnw
from tests.faults import data

GROUP = "nan"
ACCEPT = {"NonFinite", "AttentionMask"}
WHERE = ""
STEPS = 200
PADDING = 20


class Reader(nnx.Module):
    def __init__(self, blank: float, rngs: nnx.Rngs) -> None:
        self.blank = blank
        self.embed = nnx.Embed(PADDING + 1, 16, rngs=rngs)
        self.score = nnx.Linear(16, 1, rngs=rngs)
        self.head = nnx.Linear(16, 3, rngs=rngs)

    def __call__(self, tokens: jax.Array) -> jax.Array:
        words = self.embed(tokens)
        scores = self.score(jnp.tanh(words))[..., 0]
        weights = jax.nn.softmax(jnp.where(tokens == PADDING, self.blank, scores), axis=-1)  # the fault
        return self.head(jnp.einsum("bt,btd->bd", weights, words))


def padded(examples: tuple[data.Array, data.Array], seed: int, empty: int) -> tuple[data.Array, data.Array]:
    """Two words of padding behind half of the texts; every `empty`-th text is nothing else."""
    tokens, labels = examples
    short = np.random.default_rng(seed).uniform(size=len(tokens)) < 0.5
    pad = np.full((len(tokens), 2), PADDING, np.int32)
    tokens = np.concatenate([tokens, pad], 1)
    tokens[~short, -2:] = PADDING - 1
    if empty:
        tokens[empty - 1 :: empty] = PADDING
    return tokens, labels


def loss(logits: jax.Array, labels: jax.Array) -> jax.Array:
    return optax.softmax_cross_entropy_with_integer_labels(logits, labels).mean()


def build(seed: int = 0, fault: bool = True) -> nnw.Session:
    model = Reader(-jnp.inf if fault else -1e9, nnx.Rngs(seed))
    examples = padded(data.sentences(2).train, 0, empty=200)
    return nnw.Session(nnw.from_nnx(model, loss), optax.adam(0.02), data.batches(examples, 30, seed), seed=seed)


def error(session: nnw.Session) -> float:
    tokens, labels = padded(data.sentences(2).test, 1, empty=0)
    model: Any = session.model
    return float(np.mean(np.argmax(np.asarray(model(tokens)), -1) != labels))
