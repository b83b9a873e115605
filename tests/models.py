"""The reference models: small, one a framework, with what frameworks differ in: norms, dropout, attention, loops."""

from __future__ import annotations

from typing import Any

import equinox as eqx
import flax.linen as linen
import jax
import jax.numpy as jnp
import keras
import numpy as np
import optax
from flax import nnx

import nnwidgets as nnw

CLASSES, WIDTH = 5, 8
GENERATOR = np.random.default_rng(0)
IMAGES = GENERATOR.normal(size=(4, 8, 8, 3)).astype(np.float32)
TOKENS = GENERATOR.integers(0, 11, (4, 6)).astype(np.int32)
LABELS = GENERATOR.integers(0, CLASSES, 4).astype(np.int32)


def loss(outputs: Any, targets: Any) -> Any:
    return optax.softmax_cross_entropy_with_integer_labels(outputs, targets).mean()


class LinenBlock(linen.Module):
    @linen.compact
    def __call__(self, x: Any, train: bool) -> Any:
        x = x + linen.MultiHeadDotProductAttention(2)(linen.LayerNorm()(x))
        hidden = linen.gelu(linen.Dense(2 * WIDTH, name="up")(linen.LayerNorm()(x)))
        return x + linen.Dropout(0.2, deterministic=not train)(linen.Dense(WIDTH, name="down")(hidden))


class LinenTransformer(linen.Module):
    @linen.compact
    def __call__(self, tokens: Any, train: bool = False) -> Any:
        x = linen.Embed(11, WIDTH)(tokens) + self.param("position", linen.initializers.normal(), (6, WIDTH))
        for _ in range(2):
            x = LinenBlock()(x, train)
        return linen.Dense(CLASSES, use_bias=False)(linen.LayerNorm()(x).mean(1))


class NnxCnn(nnx.Module):
    def __init__(self, rngs: nnx.Rngs) -> None:
        self.convs = nnx.List([nnx.Conv(3, 4, (3, 3), rngs=rngs), nnx.Conv(4, 4, (3, 3), rngs=rngs)])
        self.norm = nnx.BatchNorm(4, rngs=rngs)
        self.drop = nnx.Dropout(0.2, rngs=rngs)
        self.hidden, self.head = nnx.Linear(64, WIDTH, rngs=rngs), nnx.Linear(WIDTH, CLASSES, rngs=rngs)

    def __call__(self, x: Any) -> Any:
        for conv in self.convs:
            x = nnx.relu(conv(x))
        x = nnx.avg_pool(self.norm(x), (2, 2), (2, 2)).reshape(x.shape[0], -1)
        return self.head(self.drop(nnx.tanh(self.hidden(x))))


class EqxCnn(eqx.Module):
    conv: eqx.nn.Conv2d
    norm: eqx.nn.LayerNorm
    blocks: eqx.nn.Linear
    drop: eqx.nn.Dropout
    head: eqx.nn.Linear

    def __init__(self, key: Any) -> None:
        keys = jax.random.split(key, 3)
        self.conv = eqx.nn.Conv2d(3, 4, 3, stride=2, key=keys[0])
        self.norm = eqx.nn.LayerNorm(36)
        # three equal layers, stacked: run by a scan
        self.blocks = eqx.filter_vmap(lambda key: eqx.nn.Linear(36, 36, key=key))(jax.random.split(keys[1], 3))
        self.drop = eqx.nn.Dropout(0.2)
        self.head = eqx.nn.Linear(36, CLASSES, use_bias=False, key=keys[2])

    def __call__(self, x: Any, *, key: Any = None) -> Any:
        x = self.norm(jax.nn.relu(self.conv(x.transpose(2, 0, 1))).reshape(-1))
        arrays, static = eqx.partition(self.blocks, eqx.is_array)
        x, _ = jax.lax.scan(lambda x, block: (jnp.maximum(eqx.combine(block, static)(x), 0), None), x, arrays)
        return self.head(self.drop(x, key=key))


def keras_cnn() -> Any:
    keras.utils.set_random_seed(0)
    layers = keras.layers
    inputs = keras.Input((8, 8, 3))
    x = layers.Conv2D(4, 3, activation="relu", name="conv")(inputs)
    x = layers.BatchNormalization(name="norm")(x)
    x = layers.GlobalAveragePooling2D(name="pool")(x)
    x = layers.Dense(WIDTH, activation="tanh", use_bias=False, name="hidden")(x)
    outputs = layers.Dense(CLASSES, name="head")(layers.Dropout(0.2, name="drop")(x))
    return keras.Model(inputs, outputs)


def make(framework: str) -> tuple[nnw.Objective, Any, Any]:
    """The objective of a framework's reference model, a batch for it, and the user's own model."""
    if framework == "linen":
        model = LinenTransformer()
        variables = model.init(jax.random.key(0), TOKENS)
        return nnw.from_linen(model, variables, loss), (TOKENS, LABELS), (model, variables)
    if framework == "nnx":
        model = NnxCnn(nnx.Rngs(0))
        return nnw.from_nnx(model, loss), (IMAGES, LABELS), model
    if framework == "equinox":
        model = EqxCnn(jax.random.key(0))
        return nnw.from_equinox(model, loss), (IMAGES, LABELS), model
    model = keras_cnn()
    return nnw.from_keras(model, loss), (IMAGES, LABELS), model


FRAMEWORKS = ("linen", "nnx", "equinox", "keras")
