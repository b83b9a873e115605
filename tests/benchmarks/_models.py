"""The reference models of the benchmarks: small and large, bound by kernels, arithmetic or memory."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import flax.linen as nn
import jax
import numpy as np
import optax

import nnwidgets as nnw

BATCH, BATCHES = 32, 8


class Mlp(nn.Module):
    """Dense layers with ReLU between them."""

    widths: Sequence[int]

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        """(batch, features) to (batch, classes)."""
        *hidden, classes = self.widths
        for width in hidden:
            x = nn.relu(nn.Dense(width)(x))
        return nn.Dense(classes)(x)


class Cnn(nn.Module):
    """Two convolutions with pooling and a dense layer."""

    @nn.compact
    def __call__(self, images: jax.Array) -> jax.Array:
        """(batch, height, width, channels) to (batch, 10)."""
        x = images
        for channels in (16, 32):
            x = nn.max_pool(nn.relu(nn.Conv(channels, (3, 3))(x)), (2, 2), strides=(2, 2))
        x = nn.relu(nn.Dense(60)(x.reshape(len(x), -1)))
        return nn.Dense(10)(x)


class Transformer(nn.Module):
    """A causal language model of five blocks."""

    vocabulary: int = 256
    width: int = 128
    heads: int = 4
    depth: int = 5

    @nn.compact
    def __call__(self, tokens: jax.Array) -> jax.Array:
        """(batch, positions) to (batch, positions, vocabulary)."""
        position = self.param("position", nn.initializers.normal(0.02), (tokens.shape[1], self.width))
        x = nn.Embed(self.vocabulary, self.width)(tokens) + position
        mask = nn.make_causal_mask(tokens)
        for _ in range(self.depth):
            x = x + nn.MultiHeadDotProductAttention(self.heads)(nn.LayerNorm()(x), mask=mask)
            x = x + nn.Dense(self.width)(nn.gelu(nn.Dense(4 * self.width)(nn.LayerNorm()(x))))
        return nn.Dense(self.vocabulary)(nn.LayerNorm()(x))


@dataclass(frozen=True)
class Reference:
    """A model with data to train it on.

    Attributes:
        name: what it is called in the tables.
        model: a Linen module.
        batches: pairs (inputs, integer targets), NumPy.
    """

    name: str
    model: nn.Module
    batches: list[tuple[np.ndarray, np.ndarray]]

    def variables(self) -> Any:
        """The initial ones, new arrays at each call."""
        return jax.jit(self.model.init)(jax.random.key(0), self.batches[0][0])

    def objective(self) -> nnw.Objective:
        """Model and cross-entropy in nnwidgets' form."""
        return nnw.from_linen(self.model, self.variables(), cross_entropy)

    def loss(self, params: Any, batch: Any) -> jax.Array:
        """The same loss as people write it."""
        inputs, targets = batch
        return cross_entropy(self.model.apply({"params": params}, inputs), targets)


def cross_entropy(logits: Any, targets: Any) -> Any:
    """Mean over examples (and positions), in nats."""
    return optax.softmax_cross_entropy_with_integer_labels(logits, targets).mean()


def _vectors(features: int) -> list[tuple[np.ndarray, np.ndarray]]:
    return _batches(lambda random: random.normal(size=(BATCH, features)).astype(np.float32), (BATCH,), 10)


def _images() -> list[tuple[np.ndarray, np.ndarray]]:
    return _batches(lambda random: random.random((BATCH, 28, 28, 1), np.float32), (BATCH,), 10)


def _tokens() -> list[tuple[np.ndarray, np.ndarray]]:
    return _batches(lambda random: random.integers(0, 256, (BATCH, 64), np.int32), (BATCH, 64), 256)


def _batches(
    inputs: Callable[[np.random.Generator], np.ndarray], targets: tuple[int, ...], classes: int
) -> list[tuple[np.ndarray, np.ndarray]]:
    random = np.random.default_rng(0)
    return [(inputs(random), random.integers(0, classes, targets, np.int32)) for _ in range(BATCHES)]


MODELS: dict[str, Callable[[], Reference]] = {
    "MLP 17k": lambda: Reference("MLP 17k", Mlp((128, 64, 10)), _vectors(64)),
    "CNN 100k": lambda: Reference("CNN 100k", Cnn(), _images()),
    "transformer 1M": lambda: Reference("transformer 1M", Transformer(), _tokens()),
    "MLP 10M": lambda: Reference("MLP 10M", Mlp((2048, 2048, 2048, 10)), _vectors(784)),
}
