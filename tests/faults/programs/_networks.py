"""One dense network in five frameworks, as their users write it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import flax.linen as linen
import jax
import jax.numpy as jnp
import numpy.typing as npt
import optax
from flax import nnx

import nnwidgets as nnw

Activation = Callable[[jax.Array], jax.Array]
Array = npt.NDArray[Any]


def cross_entropy(logits: Any, labels: Any) -> Any:
    return optax.softmax_cross_entropy_with_integer_labels(logits, labels).mean()


def dense(
    framework: str,
    seed: int,
    features: int,
    widths: Sequence[int],
    outputs: int,
    loss: Callable[[Any, Any], Any] = cross_entropy,
    **options: Any,
) -> nnw.Objective:
    """A multi-layer perceptron with `options` that its framework's maker below knows."""
    return _MAKERS[framework](seed, features, tuple(widths), outputs, loss, **options)


class LinenDense(linen.Module):
    widths: tuple[int, ...]
    outputs: int
    activation: Activation = linen.relu
    norm: str = ""
    dropout: float = 0.0
    residual: bool = False
    zero_head: bool = False
    dtype: Any = None

    @linen.compact
    def __call__(self, x: jax.Array, train: bool = False) -> jax.Array:
        start = linen.initializers.he_normal() if self.activation is linen.relu else linen.initializers.lecun_normal()
        for width in self.widths:
            y = linen.Dense(width, use_bias=self.norm != "batch", kernel_init=start, dtype=self.dtype)(x)
            if self.norm == "batch":
                y = linen.BatchNorm(use_running_average=not train, momentum=0.9, dtype=self.dtype)(y)
            elif self.norm == "layer":
                y = linen.LayerNorm(dtype=self.dtype)(y)
            elif self.norm == "group":
                y = linen.GroupNorm(num_groups=4, dtype=self.dtype)(y)
            y = self.activation(y)
            if self.dropout:
                y = linen.Dropout(self.dropout, deterministic=not train)(y)
            x = x + y if self.residual and x.shape == y.shape else y
        last = linen.initializers.zeros_init() if self.zero_head else linen.initializers.lecun_normal()
        return linen.Dense(self.outputs, kernel_init=last, dtype=self.dtype)(x).astype(jnp.float32)


def _linen(seed: int, features: int, widths: tuple[int, ...], outputs: int, loss: Any, **options: Any) -> nnw.Objective:
    model = LinenDense(widths, outputs, **options)
    return nnw.from_linen(model, model.init(jax.random.key(seed), jnp.zeros((2, features))), loss)


class NnxDense(nnx.Module):
    def __init__(
        self,
        features: int,
        widths: tuple[int, ...],
        outputs: int,
        activation: Activation,
        norm: str,
        dropout: float,
        rngs: nnx.Rngs,
    ) -> None:
        self.activation = activation
        layers: list[Any] = []
        for before, width in zip((features, *widths), widths, strict=False):
            layers.append(nnx.Linear(before, width, kernel_init=nnx.initializers.he_normal(), rngs=rngs))
            if norm == "batch":
                layers.append(nnx.BatchNorm(width, momentum=0.9, rngs=rngs))
            elif norm == "layer":
                layers.append(nnx.LayerNorm(width, rngs=rngs))
            elif norm == "rms":
                layers.append(nnx.RMSNorm(width, rngs=rngs))
            layers.append(activation)
            if dropout:
                layers.append(nnx.Dropout(dropout, rngs=rngs))
        self.body = nnx.Sequential(*layers)
        self.head = nnx.Linear((features, *widths)[-1], outputs, rngs=rngs)

    def __call__(self, x: jax.Array) -> jax.Array:
        return self.head(self.body(x))


def _nnx(
    seed: int,
    features: int,
    widths: tuple[int, ...],
    outputs: int,
    loss: Any,
    *,
    activation: Activation = nnx.relu,
    norm: str = "",
    dropout: float = 0.0,
) -> nnw.Objective:
    return nnw.from_nnx(NnxDense(features, widths, outputs, activation, norm, dropout, nnx.Rngs(seed)), loss)


def _equinox(
    seed: int,
    features: int,
    widths: tuple[int, ...],
    outputs: int,
    loss: Any,
    *,
    activation: Activation = jax.nn.relu,
    norm: str = "",
    dropout: float = 0.0,
) -> nnw.Objective:
    import equinox as eqx

    keys = jax.random.split(jax.random.key(seed), len(widths) + 1)
    layers: list[Any] = []
    for before, width, key in zip((features, *widths), widths, keys, strict=False):
        layers.append(eqx.nn.Linear(before, width, key=key))
        layers += [eqx.nn.LayerNorm(width)] * (norm == "layer")
        layers.append(eqx.nn.Lambda(activation))
        layers += [eqx.nn.Dropout(dropout)] * (dropout > 0)
    layers.append(eqx.nn.Linear((features, *widths)[-1], outputs, key=keys[-1]))
    return nnw.from_equinox(eqx.nn.Sequential(layers), loss)


def _keras(
    seed: int,
    features: int,
    widths: tuple[int, ...],
    outputs: int,
    loss: Any,
    *,
    activation: str = "relu",
    norm: str = "",
    dropout: float = 0.0,
    head: str | None = None,
    decay: float = 0.0,
) -> nnw.Objective:
    import keras

    keras.utils.set_random_seed(seed)
    model = keras.Sequential([keras.layers.Input((features,))])
    for width in widths:
        penalty = keras.regularizers.l2(decay) if decay else None
        model.add(keras.layers.Dense(width, use_bias=norm != "batch", kernel_regularizer=penalty))
        if norm:
            model.add({"batch": keras.layers.BatchNormalization, "layer": keras.layers.LayerNormalization}[norm]())
        model.add(keras.layers.Activation(activation))
        if dropout:
            model.add(keras.layers.Dropout(dropout))
    model.add(keras.layers.Dense(outputs, activation=head))
    return nnw.from_keras(model, loss)


def _plain(
    seed: int,
    features: int,
    widths: tuple[int, ...],
    outputs: int,
    loss: Any,
    *,
    activation: Activation = jax.nn.relu,
    gain: float = 2.0,
    dropout: float = 0.0,
    first_bias: float = 0.0,
    decay: float = 0.0,
) -> nnw.Objective:
    sizes = [features, *widths, outputs]
    keys = jax.random.split(jax.random.key(seed), len(sizes) - 1)
    params = [
        {
            "w": jax.random.normal(key, (i, o)) * jnp.sqrt(gain / i),
            "b": jnp.full(o, first_bias if o != outputs else 0.0),
        }
        for key, i, o in zip(keys, sizes, sizes[1:], strict=False)
    ]

    def loss_fn(params: Any, batch: Any, *, rng: Any, train: bool) -> Any:
        x, targets = batch
        for i, layer in enumerate(params[:-1]):
            x = activation(x @ layer["w"] + layer["b"])
            if dropout and train:
                kept = jax.random.bernoulli(jax.random.fold_in(rng, i), 1 - dropout, x.shape)
                x = jnp.where(kept, x / (1 - dropout), 0.0)
        x = x @ params[-1]["w"] + params[-1]["b"]
        penalty = decay * sum(jnp.sum(layer["w"] ** 2) for layer in params)
        return loss(x, targets) + penalty, {"outputs": x, "targets": targets}

    return nnw.Objective(loss_fn, params)


_MAKERS = {"linen": _linen, "nnx": _nnx, "equinox": _equinox, "keras": _keras, "plain": _plain}
