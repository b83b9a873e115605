"""A Linen embedding gives rows of NaN for tokens beyond its vocabulary, rare ones here (jax-ml/jax#5760)."""

from __future__ import annotations

from typing import Any

import flax.linen as nn
import jax
import numpy as np
import optax

import nnwidgets as nnw
from tests.faults import data

GROUP = "gradients"
ACCEPT = {"NonFinite", "IndexOutOfRange"}
WHERE = "Embed_0"
STEPS = 200
VOCABULARY = 24


class BagOfWords(nn.Module):
    rows: int

    @nn.compact
    def __call__(self, tokens: jax.Array) -> jax.Array:
        words = nn.Embed(self.rows, 16)(tokens)  # the fault
        return nn.Dense(3)(nn.relu(nn.Dense(24)(words.sum(1))))


def with_rare_words(part: tuple[data.Array, data.Array], share: float) -> tuple[data.Array, data.Array]:
    """The last word of a few texts is the unknown word, whose number is the size of the vocabulary."""
    tokens, labels = part
    rows = np.random.default_rng(39).uniform(size=len(tokens)) < share
    tokens = np.concatenate([tokens, np.full((len(tokens), 1), VOCABULARY - 1, np.int32)], 1)
    tokens[rows, -1] = VOCABULARY
    return tokens, labels


def loss(logits: jax.Array, labels: jax.Array) -> jax.Array:
    return optax.softmax_cross_entropy_with_integer_labels(logits, labels).mean()


def build(seed: int = 0, fault: bool = True) -> nnw.Session:
    model = BagOfWords(VOCABULARY if fault else VOCABULARY + 1)
    examples = with_rare_words(data.sentences(5, VOCABULARY).train, 0.005)
    variables: Any = model.init(jax.random.key(seed), np.zeros((1, 9), np.int32))
    objective = nnw.from_linen(model, variables, loss)
    return nnw.Session(objective, optax.adam(5e-3), data.batches(examples, 25, seed), seed=seed)


def error(session: nnw.Session) -> float:
    tokens, labels = with_rare_words(data.sentences(5, VOCABULARY).test, 0)
    rows = len(session.params["Embed_0"]["embedding"])
    logits = BagOfWords(rows).apply(session.model, tokens)
    return float(np.mean(np.argmax(np.asarray(logits), -1) != labels))
