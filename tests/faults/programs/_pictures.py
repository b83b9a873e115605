"""Images: classifiers, maps of classes, places, patches."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import flax.linen as linen
import jax
import jax.numpy as jnp
import numpy as np
import optax
from flax import nnx

import nnwidgets as nnw
from tests.faults import data

from ._networks import Array, cross_entropy

Images = Callable[[Array], Array]


class Norm(linen.Module):
    """The norm that is named; nothing for ""."""

    kind: str

    @linen.compact
    def __call__(self, x: jax.Array, train: bool) -> jax.Array:
        if self.kind == "batch":
            return linen.BatchNorm(use_running_average=not train, momentum=0.9)(x)
        return {"group": linen.GroupNorm(4), "layer": linen.LayerNorm()}[self.kind](x) if self.kind else x


class LinenCnn(linen.Module):
    """Two blocks with pooling; with uint8 images it scales them itself."""

    norm: str = ""
    dropout: float = 0.0
    pooled: bool = False
    dtype: Any = None

    @linen.compact
    def __call__(self, x: jax.Array, train: bool = False) -> jax.Array:
        x = x.astype(jnp.float32) / 255 if x.dtype == jnp.uint8 else x
        for width in (12, 24):
            x = linen.Conv(width, (3, 3), use_bias=self.norm != "batch", dtype=self.dtype)(x)
            x = linen.relu(Norm(self.norm)(x, train))
            x = linen.max_pool(x, (2, 2), (2, 2))
        x = x.mean((1, 2)) if self.pooled else x.reshape(len(x), -1)
        x = linen.relu(linen.Dense(48, dtype=self.dtype)(x))
        x = linen.Dropout(self.dropout, deterministic=not train)(x)
        return linen.Dense(4, dtype=self.dtype)(x).astype(jnp.float32)


class Residual(linen.Module):
    """Blocks with a way round, group norm, and a last norm before the head."""

    @linen.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        x = linen.Conv(16, (3, 3), (2, 2), name="stem")(x)
        for _ in range(3):
            y = linen.Conv(16, (3, 3))(linen.relu(linen.GroupNorm(4)(x)))
            x = x + linen.Conv(16, (3, 3), kernel_init=linen.initializers.zeros_init())(
                linen.relu(linen.GroupNorm(4)(y))
            )
        return linen.Dense(4, name="head")(linen.relu(linen.GroupNorm(4)(x)).reshape(len(x), -1))


class Light(linen.Module):
    """Depthwise and pointwise convolutions with a gate for each channel."""

    @linen.compact
    def __call__(self, x: jax.Array, train: bool = False) -> jax.Array:
        x = linen.swish(linen.BatchNorm(not train, momentum=0.9)(linen.Conv(16, (3, 3), use_bias=False)(x)))
        for _ in range(2):
            x = linen.Conv(16, (3, 3), feature_group_count=16, use_bias=False)(x)
            x = linen.swish(linen.BatchNorm(not train, momentum=0.9)(x))
            gate = linen.sigmoid(linen.Dense(16)(linen.relu(linen.Dense(8)(x.mean((1, 2))))))
            x = linen.Conv(16, (1, 1))(x * gate[:, None, None])
        x = linen.avg_pool(x, (3, 3), (3, 3))
        return linen.Dense(4)(x.reshape(len(x), -1))


class Patches(linen.Module):
    """A small vision transformer: patches of 4 x 4, places that are learned, two blocks before whose layers a norm stands."""

    @linen.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        x = linen.Conv(32, (4, 4), (2, 2), padding="VALID", name="patches")(x)
        x = x.reshape(len(x), -1, 32)
        x = x + self.param("place", linen.initializers.normal(0.02), x.shape[1:])
        for _ in range(2):
            y = linen.LayerNorm()(x)
            x = x + linen.MultiHeadDotProductAttention(4)(y, y)
            x = x + linen.Dense(32)(linen.gelu(linen.Dense(64)(linen.LayerNorm()(x))))
        return linen.Dense(4, name="head")(linen.LayerNorm()(x).mean(1))


class NnxCnn(nnx.Module):
    """Strides in place of pooling."""

    def __init__(self, rngs: nnx.Rngs, channels: int = 1) -> None:
        self.one = nnx.Conv(channels, 16, (3, 3), strides=(2, 2), rngs=rngs)
        self.two = nnx.Conv(16, 24, (3, 3), strides=(2, 2), rngs=rngs)
        self.norm = nnx.BatchNorm(16, momentum=0.9, rngs=rngs)
        self.drop = nnx.Dropout(0.2, rngs=rngs)
        self.head = nnx.Linear(216, 4, rngs=rngs)

    def __call__(self, x: jax.Array) -> jax.Array:
        x = nnx.relu(self.norm(self.one(x)))
        x = nnx.relu(self.two(x))
        return self.head(self.drop(x.reshape(len(x), -1)))


def classify(
    seed: int,
    model: Any,
    *,
    images: Images | None = None,
    tx: optax.GradientTransformation | None = None,
    size: int = 32,
) -> nnw.Session:
    """A Linen model on patterns that lie somewhere in noise; `images` changes how they are stored."""
    train, test = ((images(x) if images else x, y) for x, y in data.shapes(seed, count=1500))
    variables = model.init(jax.random.key(seed), train[0][:1])
    return nnw.Session(
        nnw.from_linen(model, variables, cross_entropy),
        optax.adam(3e-3) if tx is None else tx,
        data.batches(train, size, seed),
        validation=data.batches(test, 100),
        seed=seed,
    )


def as_bytes(images: Array) -> Array:
    return np.clip(255 * images, 0, 255).astype(np.uint8)


def standardised(images: Array) -> Array:
    return ((images - 0.14) / 0.2).astype(np.float32)


def coloured(images: Array) -> Array:
    return (images * np.array([1.0, 0.6, 0.3], np.float32) - 0.1).astype(np.float32)


def in_nnx(seed: int, images: Images | None = None, channels: int = 1) -> nnw.Session:
    train, test = ((images(x) if images else x, y) for x, y in data.shapes(seed, count=1500))
    objective = nnw.from_nnx(NnxCnn(nnx.Rngs(seed), channels), cross_entropy)
    batches = data.batches(train, 50, seed)
    return nnw.Session(objective, optax.adamw(3e-3), batches, validation=data.batches(test, 100), seed=seed)


def in_keras(seed: int, *, norm: bool) -> nnw.Session:
    import keras

    def loss(logits: Any, labels: Any) -> Any:
        return keras.losses.SparseCategoricalCrossentropy(from_logits=True)(labels, logits)

    keras.utils.set_random_seed(seed)
    layers = keras.layers
    model = keras.Sequential(
        [
            layers.Input((12, 12, 1)),
            layers.Rescaling(1 / 255),
            layers.Conv2D(16, 3, use_bias=not norm),
            *([layers.BatchNormalization(momentum=0.9)] if norm else []),
            layers.Activation("relu"),
            layers.MaxPooling2D(),
            layers.Flatten(),
            layers.Dropout(0.25),
            layers.Dense(4),
        ]
    )
    train, test = data.shapes(seed, count=1500, scale=255.0)
    batches = data.batches(train, 32, seed)
    objective = nnw.from_keras(model, loss)
    return nnw.Session(objective, optax.adam(3e-3), batches, validation=data.batches(test, 100), seed=seed)


def in_equinox(seed: int) -> nnw.Session:
    import equinox as eqx

    one, two, three = jax.random.split(jax.random.key(seed), 3)
    model = eqx.nn.Sequential(
        [
            eqx.nn.Conv2d(1, 16, 3, key=one),
            eqx.nn.Lambda(jax.nn.relu),
            eqx.nn.MaxPool2d(2, 2),
            eqx.nn.Conv2d(16, 16, 3, key=two),
            eqx.nn.Lambda(jax.nn.relu),
            eqx.nn.Lambda(jnp.ravel),
            eqx.nn.Linear(144, 4, key=three),
        ]
    )
    train, test = ((np.moveaxis(x, -1, 1), y) for x, y in data.shapes(seed, count=1500))
    batches = data.batches(train, 32, seed)
    objective = nnw.from_equinox(model, cross_entropy)
    return nnw.Session(objective, optax.adam(3e-3), batches, validation=data.batches(test, 100), seed=seed)


def with_noise(seed: int) -> nnw.Session:
    """The training images are turned and made noisy within the loss, by the step's key."""
    train, test = data.shapes(seed, count=1500)
    model = LinenCnn()
    variables = model.init(jax.random.key(seed), train[0][:1])

    def loss_fn(params: Any, batch: Any, *, rng: Any, train: bool) -> Any:
        images, labels = batch
        if train:
            turn, noise = jax.random.split(rng)
            turned = jax.random.bernoulli(turn, 0.5, (len(images), 1, 1, 1))
            images = jnp.where(turned, images[:, ::-1], images) + 0.05 * jax.random.normal(noise, images.shape)
        logits = model.apply({"params": params}, images)
        loss = cross_entropy(logits, labels)
        return loss, {
            "outputs": logits,
            "targets": labels,
            "metrics": {"correct": (logits.argmax(-1) == labels).mean()},
        }

    objective = nnw.Objective(loss_fn, variables["params"])
    batches = data.batches(train, 32, seed)
    return nnw.Session(objective, optax.adam(3e-3), batches, validation=data.batches(test, 100), seed=seed)


class Maps(linen.Module):
    """A class for each pixel: down, up, and a way round."""

    classes: int

    @linen.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        fine = linen.relu(linen.Conv(12, (3, 3))(x))
        coarse = linen.relu(linen.Conv(24, (3, 3))(linen.max_pool(fine, (2, 2), (2, 2))))
        coarse = linen.relu(linen.ConvTranspose(12, (2, 2), (2, 2))(coarse))
        return linen.Conv(self.classes, (1, 1))(jnp.concatenate([fine, coarse], -1))


def scenes(seed: int, count: int = 800) -> tuple[Array, Array]:
    """Noise with a dim and a bright rectangle; the classes of the pixels are 0, 1, 2, with the ground at about a half."""
    rng = np.random.default_rng(seed)
    images, labels = rng.normal(0, 0.15, (count, 12, 12, 1)), np.zeros((count, 12, 12), np.int32)
    for image, label in zip(images, labels, strict=True):
        for kind in (1, 2):
            top, left = rng.integers(0, 6, 2)
            height, width = rng.integers(4, 7, 2)
            label[top : top + height, left : left + width] = kind
        image += np.array([0.0, 0.5, 1.0])[label][..., None]
    return images.astype(np.float32), labels


def label_pixels(seed: int, kind: str) -> nnw.Session:
    """`kind` is the loss: "classes", "binary" or "dice"."""

    def dice(logits: Any, wanted: Any) -> Any:
        found = jax.nn.sigmoid(logits)
        both = jnp.sum(found * wanted, (1, 2, 3))
        return jnp.mean(1 - (2 * both + 1) / (jnp.sum(found, (1, 2, 3)) + jnp.sum(wanted, (1, 2, 3)) + 1))

    def binary(logits: Any, wanted: Any) -> Any:
        return optax.sigmoid_binary_cross_entropy(logits, wanted).mean()

    images, labels = scenes(seed)
    if kind != "classes":
        labels = (labels > 0)[..., None].astype(np.float32)
    model = Maps(3 if kind == "classes" else 1)
    variables = model.init(jax.random.key(seed), images[:1])
    loss = {"classes": cross_entropy, "binary": binary, "dice": dice}[kind]
    batches = data.batches((images, labels), 20, seed)
    return nnw.Session(nnw.from_linen(model, variables, loss), optax.adam(3e-3), batches, seed=seed)


def find_place(seed: int) -> nnw.Session:
    """Where a spot is, as two numbers between -1 and 1."""
    rng = np.random.default_rng(seed)
    place = rng.uniform(1, 11, (1500, 2))
    grid = np.stack(np.meshgrid(np.arange(12), np.arange(12), indexing="ij"), -1)
    images = np.exp(-((grid[None] - place[:, None, None]) ** 2).sum(-1) / 3)[..., None]
    images = (images + 0.05 * rng.normal(size=images.shape)).astype(np.float32)
    wanted = ((place - 6) / 5).astype(np.float32)

    class Regressor(linen.Module):
        @linen.compact
        def __call__(self, x: jax.Array) -> jax.Array:
            x = linen.relu(linen.Conv(8, (3, 3), (2, 2))(x)).reshape(len(x), -1)
            return linen.Dense(2)(linen.relu(linen.Dense(32)(x)))

    model = Regressor()
    variables = model.init(jax.random.key(seed), images[:1])
    objective = nnw.from_linen(model, variables, lambda outputs, targets: jnp.mean((outputs - targets) ** 2))
    return nnw.Session(objective, optax.adam(3e-3), data.batches((images, wanted), 50, seed), seed=seed)


_MODELS: dict[str, tuple[Any, dict[str, Any]]] = {
    "cnn": (LinenCnn(), {}),
    "cnn, batch norm": (LinenCnn("batch"), {}),
    "cnn, group norm": (LinenCnn("group"), {}),
    "cnn, layer norm": (LinenCnn("layer"), {"size": 16}),
    "cnn, dropout": (LinenCnn(dropout=0.5), {"tx": optax.adam(3e-3)}),
    "cnn, global pooling": (LinenCnn("batch", pooled=True), {"tx": optax.adam(5e-3)}),
    "cnn, bfloat16": (LinenCnn(dtype=jnp.bfloat16), {}),
    "cnn, bytes": (LinenCnn(), {"images": as_bytes}),
    "cnn, bytes and batch norm": (LinenCnn("batch"), {"images": as_bytes}),
    "cnn, standardised": (LinenCnn(), {"images": standardised}),
    "cnn, momentum": (LinenCnn("batch"), {"tx": optax.sgd(0.03, momentum=0.9)}),
    "residual": (Residual(), {"tx": optax.adamw(3e-3)}),
    "light": (Light(), {"tx": optax.adam(5e-3)}),
    "patches": (Patches(), {"tx": optax.adamw(optax.warmup_cosine_decay_schedule(0, 3e-3, 20, 200)), "size": 64}),
}

HEALTHY: dict[str, Callable[[int], nnw.Session]] = {
    **{name: partial(classify, model=model, **options) for name, (model, options) in _MODELS.items()},
    "nnx": in_nnx,
    "nnx, colour": partial(in_nnx, images=coloured, channels=3),
    "keras": partial(in_keras, norm=False),
    "keras, batch norm": partial(in_keras, norm=True),
    "equinox": in_equinox,
    "augmented": with_noise,
    "pixels": partial(label_pixels, kind="classes"),
    "pixels, binary": partial(label_pixels, kind="binary"),
    "pixels, dice": partial(label_pixels, kind="dice"),
    "place": find_place,
}
