"""Small networks whose parts can be run by hand."""

from __future__ import annotations

from typing import Any

import equinox as eqx
import flax.linen as linen
import jax
import jax.numpy as jnp
import numpy as np
import optax

import nnwidgets as nnw
from nnwidgets.inside import Inside

GENERATOR = np.random.default_rng(1)
IMAGES = GENERATOR.normal(size=(4, 8, 8, 3)).astype(np.float32)
LABELS = np.array([0, 1, 2, 1], np.int32)


def cross_entropy(logits: Any, labels: Any) -> Any:
    return optax.softmax_cross_entropy_with_integer_labels(logits, labels).mean()


class Cnn(linen.Module):
    """Two convolutions, the second on half the pixels, and a dense layer on what is left."""

    def setup(self) -> None:
        self.first, self.second = linen.Conv(5, (3, 3)), linen.Conv(6, (3, 3), strides=2)
        self.last = linen.Dense(3)

    def stage(self, x: Any) -> Any:
        return linen.relu(self.second(linen.relu(self.first(x))))

    def answer(self, maps: Any) -> Any:
        return self.last(jnp.tanh(maps).reshape(maps.shape[0], -1))

    def __call__(self, x: Any) -> Any:
        return self.answer(self.stage(x))


CNN = Cnn()
VARIABLES: Any = CNN.init(jax.random.key(0), IMAGES)


def linen_cnn() -> Inside:
    return Inside(nnw.from_linen(CNN, VARIABLES, cross_entropy), [(IMAGES, LABELS)])


class ChannelsFirst(eqx.Module):
    """Images of (channels, height, width), higher than wide."""

    conv: eqx.nn.Conv2d
    last: eqx.nn.Linear

    def __init__(self) -> None:
        self.conv = eqx.nn.Conv2d(2, 4, 3, key=jax.random.key(1))
        self.last = eqx.nn.Linear(4 * 6 * 4, 3, key=jax.random.key(2))

    def stage(self, x: Any) -> Any:
        return jax.nn.relu(self.conv(x))

    def answer(self, maps: Any) -> Any:
        return self.last(jnp.tanh(maps).reshape(-1))

    def __call__(self, x: Any) -> Any:
        return self.answer(self.stage(x))


EQUINOX = ChannelsFirst()
TALL = GENERATOR.normal(size=(4, 2, 8, 6)).astype(np.float32)


def equinox_cnn() -> Inside:
    return Inside(nnw.from_equinox(EQUINOX, cross_entropy), [(TALL, LABELS)])
