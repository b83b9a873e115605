"""Position embeddings replace the words' instead of being added: no output depends on the input (Karpathy's recipe)."""

from __future__ import annotations

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import optax

import nnwidgets as nnw
from tests.faults import data

GROUP = "data"
ACCEPT = {"InputIgnored", "DisconnectedParameters"}
WHERE = "words"
STEPS = 200


class TextClassifier(nn.Module):
    adds_words: bool = True

    @nn.compact
    def __call__(self, tokens):
        words = nn.Embed(20, 32, name="words")(tokens)
        positions = nn.Embed(8, 32, name="positions")(jnp.arange(8))
        x = jnp.broadcast_to(positions, words.shape)
        if self.adds_words:
            x = x + words
        x = nn.LayerNorm()(x + nn.MultiHeadDotProductAttention(4)(x))
        x = nn.relu(nn.Dense(32)(x)).mean(axis=1)
        return nn.Dense(3, name="classes")(x)


def loss(logits, labels):
    return optax.softmax_cross_entropy_with_integer_labels(logits, labels).mean()


def build(seed: int = 0, fault: bool = True) -> nnw.Session:
    train, test = data.sentences(92)
    model = TextClassifier(adds_words=not fault)
    return nnw.Session(
        nnw.from_linen(model, model.init(jax.random.key(seed), train[0][:1]), loss),
        optax.adam(3e-3),
        data.batches(train, 40, seed),
        validation=data.batches(test, 100),
        seed=seed,
        name="without words" if fault else "with words",
    )


def error(session: nnw.Session) -> float:
    tokens, labels = data.sentences(92).test
    model = TextClassifier(adds_words=session.name == "with words")
    logits = np.asarray(model.apply(session.model, tokens))
    return float(np.mean(np.argmax(logits, -1) != labels))
