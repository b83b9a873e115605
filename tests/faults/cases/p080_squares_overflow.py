"""A norm by hand sums squares in float16, which ends at 65504, and divides by infinity (microsoft/onnxruntime#29043)."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import optax
from flax import nnx

import nnwidgets as nnw
from tests.faults import data

GROUP = "precision"
ACCEPT = {"LowPrecision", "ZeroGradient"}
WHERE = "norm"
STEPS = 200
WIDTH = 384


class RootMeanSquareNorm(nnx.Module):
    def __init__(self, statistics: jnp.dtype) -> None:
        self.gain = nnx.Param(jnp.ones(WIDTH))
        self.statistics = statistics

    def __call__(self, x):
        wide = x.astype(self.statistics)
        mean_square = jnp.sum(wide * wide, axis=-1, keepdims=True) / WIDTH  # the fault
        return (wide * jax.lax.rsqrt(mean_square + 1e-6)).astype(x.dtype) * self.gain.astype(x.dtype)


class TextClassifier(nnx.Module):
    def __init__(self, statistics: jnp.dtype, rngs: nnx.Rngs) -> None:
        self.embed = nnx.Embed(20, WIDTH, dtype=jnp.float16, embedding_init=nnx.initializers.normal(1.0), rngs=rngs)
        self.norm = RootMeanSquareNorm(statistics)
        self.hidden = nnx.Linear(WIDTH, 32, dtype=jnp.float16, rngs=rngs)
        self.head = nnx.Linear(32, 3, rngs=rngs)

    def __call__(self, tokens):
        x = self.norm(self.embed(tokens) * WIDTH**0.5)
        x = nnx.silu(self.hidden(x.mean(axis=1)))
        return self.head(x.astype(jnp.float32))


def loss(logits, labels):
    return optax.softmax_cross_entropy_with_integer_labels(logits, labels).mean()


def build(seed: int = 0, fault: bool = True) -> nnw.Session:
    train, test = data.sentences(80)
    model = TextClassifier(jnp.float16 if fault else jnp.float32, nnx.Rngs(seed))
    return nnw.Session(
        nnw.from_nnx(model, loss),
        optax.adam(3e-3),
        data.batches(train, 40, seed),
        validation=data.batches(test, 80),
        seed=seed,
    )


def error(session: nnw.Session) -> float:
    tokens, labels = data.sentences(80).test
    return float(np.mean(np.argmax(session.model(tokens), -1) != labels))
