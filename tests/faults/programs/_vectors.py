"""Classifiers of vectors: architectures, optimizers, schedules, batch sizes, kinds of data sources, losses."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import flax.linen as linen
import jax
import jax.numpy as jnp
import numpy as np
import optax

import nnwidgets as nnw
from tests.faults import data

from ._networks import Array, LinenDense, cross_entropy, dense

Source = Callable[[tuple[Array, Array], int, int], Any]


def classify(
    seed: int,
    *,
    framework: str = "linen",
    widths: tuple[int, ...] = (64,),
    classes: int = 4,
    features: int = 10,
    outputs: int | None = None,
    spread: float = 0.8,
    size: int = 32,
    tx: optax.GradientTransformation | None = None,
    loss: Callable[[Any, Any], Any] = cross_entropy,
    labels: Callable[[Array, int, np.random.Generator], Array] | None = None,
    source: Source = data.batches,
    **network: Any,
) -> nnw.Session:
    """A dense network on Gaussian clusters; `labels` makes the targets of the classes."""
    split = data.blobs(seed, classes, features, 2000, spread)
    rng = np.random.default_rng(seed)
    train, test = ((inputs, labels(found, classes, rng) if labels else found) for inputs, found in split)
    return nnw.Session(
        dense(framework, seed, features, widths, outputs or classes, loss, **network),
        optax.adam(3e-3) if tx is None else tx,
        source(train, size, seed),
        validation=data.batches(test, 100),
        seed=seed,
    )


def one_hot(labels: Array, classes: int, rng: np.random.Generator) -> Array:
    return data.one_hot(labels, classes)


def noisy(labels: Array, classes: int, rng: np.random.Generator) -> Array:
    """A quarter of the labels is drawn anew."""
    drawn = rng.integers(0, classes, len(labels)).astype(np.int32)
    return np.where(rng.uniform(size=len(labels)) < 0.25, drawn, labels)


def first_or_not(labels: Array, classes: int, rng: np.random.Generator) -> Array:
    return (labels < classes // 2).astype(np.float32)[:, None]


def several(labels: Array, classes: int, rng: np.random.Generator) -> Array:
    """Each class has its own set of six tags."""
    tags = np.random.default_rng(5).uniform(size=(classes, 6)) < 0.4
    return tags[labels].astype(np.float32)


def one_hot_entropy(logits: Any, targets: Any) -> Any:
    return optax.softmax_cross_entropy(logits, targets).mean()


def by_hand(logits: Any, labels: Any) -> Any:
    log_probabilities = logits - jax.nn.logsumexp(logits, axis=-1, keepdims=True)
    return -jnp.take_along_axis(log_probabilities, labels[:, None], axis=1).mean()


def smoothed(logits: Any, targets: Any) -> Any:
    return optax.softmax_cross_entropy(logits, optax.smooth_labels(targets, 0.1)).mean()


def focal(logits: Any, targets: Any) -> Any:
    return optax.sigmoid_focal_loss(logits, targets, alpha=0.5, gamma=2.0).mean()


def binary(logits: Any, targets: Any) -> Any:
    return optax.sigmoid_binary_cross_entropy(logits, targets).mean()


def hinge(logits: Any, labels: Any) -> Any:
    return optax.losses.multiclass_hinge_loss(logits, labels).mean()


def poly(logits: Any, targets: Any) -> Any:
    return optax.losses.poly_loss_cross_entropy(logits, targets, epsilon=1.0).mean()


def guarded_log(probabilities: Any, targets: Any) -> Any:
    return -jnp.mean(jnp.sum(targets * jnp.log(jnp.clip(probabilities, 1e-7, 1.0)), axis=-1))


def keras_categorical(probabilities: Any, targets: Any) -> Any:
    import keras

    return keras.losses.CategoricalCrossentropy()(targets, probabilities)


def keras_sparse(logits: Any, labels: Any) -> Any:
    import keras

    return keras.losses.SparseCategoricalCrossentropy(from_logits=True)(labels, logits)


def keras_binary(probabilities: Any, targets: Any) -> Any:
    import keras

    return keras.losses.BinaryCrossentropy()(targets, probabilities)


def drawn_at_random(examples: tuple[Array, Array], size: int, seed: int) -> Callable[[int], Any]:
    def batch(step: int) -> Any:
        rows = np.random.default_rng((seed, step)).integers(0, len(examples[0]), size)
        return tuple(part[rows] for part in examples)

    return batch


class Loader:
    """Another order at each epoch, as PyTorch's loader has."""

    def __init__(self, examples: tuple[Array, Array], size: int, seed: int) -> None:
        self.examples, self.size, self.rng = examples, size, np.random.default_rng(seed)

    def __len__(self) -> int:
        return len(self.examples[0]) // self.size

    def __iter__(self) -> Iterator[Any]:
        yield from data.batches(self.examples, self.size, int(self.rng.integers(1 << 30)))


def on_device(examples: tuple[Array, Array], size: int, seed: int) -> list[Any]:
    return [tuple(map(jnp.asarray, batch)) for batch in data.batches(examples, size, seed)]


def mixed_up(examples: tuple[Array, Array], size: int, seed: int) -> Callable[[int], Any]:
    """Each example is a mixture of two, with the same mixture of labels."""
    one, other = drawn_at_random(examples, size, seed), drawn_at_random(examples, size, seed + 1)

    def batch(step: int) -> Any:
        share = np.random.default_rng((seed, 7, step)).beta(0.4, 0.4, (size, 1)).astype(np.float32)
        return tuple(share * a + (1 - share) * b for a, b in zip(one(step), other(step), strict=True))

    return batch


def all_at_once(examples: tuple[Array, Array], size: int, seed: int) -> list[Any]:
    return [examples]


def far_outside(examples: tuple[Array, Array], size: int, seed: int) -> list[Any]:
    """Standardised inputs with heavy tails: a few reach ten standard deviations."""
    inputs, labels = examples
    rng = np.random.default_rng(seed)
    heavy = inputs * np.exp(rng.normal(0, 0.5, inputs.shape))
    return data.batches((((heavy - heavy.mean(0)) / heavy.std(0)).astype(np.float32), labels), size, seed)


def imbalanced(seed: int, *, weighted: bool) -> nnw.Session:
    """One class in twenty; either the loss weighs it, or the batches draw both alike."""
    (inputs, labels), (test_inputs, test_labels) = data.blobs(seed, 2, 8, 4000, 0.9)
    rng = np.random.default_rng(seed)
    kept = (labels == 0) | (rng.uniform(size=len(labels)) < 0.06)
    inputs, labels = inputs[kept], labels[kept]
    weights = jnp.asarray(len(labels) / (2 * np.bincount(labels)), jnp.float32)

    def loss(logits: Any, labels: Any) -> Any:
        losses = optax.softmax_cross_entropy_with_integer_labels(logits, labels)
        share = weights[labels]
        return jnp.sum(share * losses) / jnp.sum(share)

    def balanced(step: int) -> Any:
        rng = np.random.default_rng((seed, step))
        rows = np.concatenate([rng.choice(np.flatnonzero(labels == each), 32) for each in (0, 1)])
        rows = rng.permutation(rows)
        return inputs[rows], labels[rows]

    return nnw.Session(
        dense("plain", seed, 8, (32,), 2, loss if weighted else cross_entropy),
        optax.adam(3e-3),
        data.batches((inputs, labels), 128, seed) if weighted else balanced,
        validation=data.batches((test_inputs, test_labels), 100),
        seed=seed,
    )


def named_fields(seed: int) -> nnw.Session:
    """Batches are dicts with a field that the loss does not use."""
    train, test = data.blobs(seed, 4, 10, 2000)
    model = LinenDense((48,), 4)
    variables = model.init(jax.random.key(seed), train[0][:1])
    objective = nnw.from_linen(model, variables, cross_entropy, inputs="features", targets="label")

    def named(part: Any) -> list[Any]:
        rows = np.arange(len(part[0]), dtype=np.int32)
        return [
            dict(zip(("features", "label", "row"), each, strict=True)) for each in data.batches((*part, rows), 50, seed)
        ]

    return nnw.Session(objective, optax.adamw(3e-3), named(train), validation=named(test), seed=seed)


class Split(linen.Module):
    """A body that may be kept as it is, and a head."""

    classes: int

    @linen.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        x = linen.relu(linen.Dense(128, name="body")(x))
        return linen.Dense(self.classes, name="head")(x)


def in_parts(seed: int, *, body: optax.GradientTransformation) -> nnw.Session:
    """Body and head have optimizers of their own."""
    train, test = data.blobs(seed, 4, 10, 2000, 0.8)
    model = Split(4)
    variables = model.init(jax.random.key(seed), train[0][:1])
    tx = optax.multi_transform({"body": body, "head": optax.adam(1e-2)}, {"body": "body", "head": "head"})
    batches = data.batches(train, 32, seed)
    return nnw.Session(
        nnw.from_linen(model, variables, cross_entropy), tx, batches, validation=data.batches(test, 100), seed=seed
    )


def ring(seed: int, **options: Any) -> nnw.Session:
    """Inside or outside: no line parts the classes."""
    train, test = data.rings(seed, 2, 1500)
    objective = dense(options.pop("framework", "linen"), seed, 2, options.pop("widths", (32, 32)), 2, **options)
    batches = data.batches(train, 64, seed)
    return nnw.Session(objective, optax.adam(1e-2), batches, validation=data.batches(test, 100), seed=seed)


def top_units(x: jax.Array) -> jax.Array:
    """Only the eight largest of each row go on."""
    return jnp.where(x >= jax.lax.top_k(x, 8)[0][..., -1:], x, 0.0)


_CONTRIB = optax.contrib
_ARCHITECTURES: dict[str, dict[str, Any]] = {
    "linen, tiny": {"widths": (6,), "tx": optax.adam(1e-2)},
    "linen, wide": {"widths": (512,), "tx": optax.adam(1e-3)},
    "linen, deep": {"widths": (32,) * 8, "tx": optax.adam(1e-3)},
    "linen, deep tanh": {"widths": (48,) * 6, "activation": linen.tanh, "tx": optax.sgd(0.05, 0.9)},
    "linen, deep selu": {"widths": (32,) * 10, "activation": linen.selu, "tx": optax.adam(1e-3)},
    "linen, residual, 16 layers": {
        "widths": (32,) * 16, "norm": "layer", "residual": True, "zero_head": True, "tx": optax.adam(1e-3),
    },
    "linen, batch norm": {"widths": (64, 64), "norm": "batch"},
    "linen, layer norm": {"widths": (64, 64), "norm": "layer", "activation": linen.gelu},
    "linen, group norm": {"widths": (64, 64), "norm": "group", "activation": linen.silu},
    "linen, dropout 0.5": {"widths": (256, 256), "dropout": 0.5, "tx": optax.adam(2e-3)},
    "linen, dropout 0.6": {"widths": (512,), "dropout": 0.6, "tx": optax.adam(2e-3)},
    "linen, batch norm then dropout": {"widths": (128,), "norm": "batch", "dropout": 0.2},
    "linen, linear": {"widths": (), "tx": optax.sgd(0.1)},
    "linen, zero head": {"widths": (64,), "zero_head": True},
    "linen, elu": {"activation": linen.elu},
    "linen, leaky": {"activation": linen.leaky_relu, "widths": (64, 64)},
    "linen, sigmoid hidden": {"activation": linen.sigmoid, "tx": optax.adam(1e-2)},
    "linen, bfloat16": {"dtype": jnp.bfloat16, "widths": (64, 64)},
    "linen, bfloat16 and layer norm": {"dtype": jnp.bfloat16, "norm": "layer", "widths": (128,)},
    "nnx, small": {"framework": "nnx"},
    "nnx, batch norm": {"framework": "nnx", "norm": "batch", "widths": (64, 64)},
    "nnx, layer norm and dropout": {"framework": "nnx", "norm": "layer", "dropout": 0.2, "widths": (128,)},
    "nnx, rms norm": {"framework": "nnx", "norm": "rms", "widths": (48, 48), "activation": jax.nn.swish},
    "nnx, many classes": {"framework": "nnx", "classes": 20, "features": 24, "size": 128, "tx": optax.adam(1e-2)},
    "equinox, small": {"framework": "equinox", "tx": optax.adam(1e-2)},
    "equinox, layer norm": {"framework": "equinox", "norm": "layer", "widths": (64, 64)},
    "equinox, dropout": {"framework": "equinox", "dropout": 0.3, "widths": (128,)},
    "equinox, gelu": {"framework": "equinox", "activation": jax.nn.gelu, "widths": (32, 32, 32)},
    "keras, small": {"framework": "keras", "loss": keras_sparse},
    "keras, softmax head": {"framework": "keras", "head": "softmax", "labels": one_hot, "loss": keras_categorical},
    "keras, sigmoid head": {
        "framework": "keras", "head": "sigmoid", "labels": first_or_not, "outputs": 1, "loss": keras_binary,
    },
    "keras, batch norm and dropout": {"framework": "keras", "norm": "batch", "dropout": 0.3, "loss": keras_sparse},
    "keras, l2": {"framework": "keras", "decay": 1e-4, "widths": (64, 64), "loss": keras_sparse},
    "plain, sparse ReLU": {"framework": "plain", "widths": (256,), "first_bias": -1.0},
    "plain, top units": {"framework": "plain", "widths": (64,), "activation": top_units},
    "plain, dropout": {"framework": "plain", "widths": (128, 128), "dropout": 0.4},
    "plain, l2 in the loss": {"framework": "plain", "decay": 1e-4},
    "plain, hard tanh": {"framework": "plain", "activation": jax.nn.hard_tanh, "gain": 1.0},
    "plain, wide features": {"framework": "plain", "features": 100, "widths": (32,), "tx": optax.sgd(0.05, 0.9)},
}  # fmt: skip
_OPTIMIZERS: dict[str, optax.GradientTransformation] = {
    "sgd": optax.sgd(0.1),
    "momentum": optax.sgd(0.02, momentum=0.9),
    "nesterov": optax.sgd(0.02, momentum=0.9, nesterov=True),
    "adamw": optax.adamw(3e-3, weight_decay=0.01),
    "adamw, masked decay": optax.adamw(
        3e-3, weight_decay=0.05, mask=lambda params: jax.tree.map(lambda leaf: leaf.ndim > 1, params)
    ),
    "nadam": optax.nadam(3e-3),
    "radam": optax.radam(1e-2),
    "amsgrad": optax.amsgrad(3e-3),
    "adabelief": optax.adabelief(3e-3),
    "adamax": optax.adamax(5e-3),
    "lamb": optax.lamb(1e-2),
    "lion": optax.lion(1e-3, weight_decay=0.01),
    "rmsprop": optax.rmsprop(2e-3),
    "rmsprop, centred": optax.rmsprop(2e-3, centered=True, momentum=0.5),
    "adagrad": optax.adagrad(0.05),
    "adafactor": optax.adafactor(1e-2),
    "yogi": optax.yogi(1e-2),
    "novograd": optax.novograd(2e-2),
    "sm3": optax.sm3(0.1),
    "polyak": optax.polyak_sgd(max_learning_rate=0.2),
    "muon": _CONTRIB.muon(0.02),
    "schedule-free": _CONTRIB.schedule_free_adamw(1e-2, warmup_steps=20),
    "accumulated": optax.MultiSteps(optax.adam(1e-2), every_k_schedule=4).gradient_transformation(),
    "clipped": optax.chain(optax.clip_by_global_norm(1.0), optax.adam(3e-3)),
    "clipped, sgd": optax.chain(optax.clip_by_global_norm(1.0), optax.sgd(0.1, momentum=0.9)),
    "adaptive clipping": optax.chain(optax.adaptive_grad_clip(0.05), optax.sgd(0.1)),
    "skipping what is not finite": optax.apply_if_finite(optax.adam(3e-3), 5),
    "centralized": optax.chain(optax.centralize(), optax.adam(3e-3)),
    "injected": optax.inject_hyperparams(optax.adam)(learning_rate=3e-3),
    "on plateau": optax.chain(optax.adam(3e-3), _CONTRIB.reduce_on_plateau(patience=100, factor=0.5)),
}
_SCHEDULES: dict[str, Any] = {
    "warm-up": optax.linear_schedule(0.0, 5e-3, 50),
    "warm-up and cosine": optax.warmup_cosine_decay_schedule(0.0, 1e-2, 20, 200),
    "cosine": optax.cosine_decay_schedule(1e-2, 200),
    "cosine of a longer run": optax.cosine_decay_schedule(5e-3, 2000),
    "one cycle": optax.cosine_onecycle_schedule(200, 1e-2),
    "exponential": optax.exponential_decay(1e-2, 50, 0.7),
    "steps": optax.piecewise_constant_schedule(1e-2, {120: 0.1, 170: 0.1}),
    "polynomial": optax.polynomial_schedule(1e-2, 1e-4, 2.0, 200),
    "warm restarts": optax.sgdr_schedule(
        [{"init_value": 1e-4, "peak_value": 1e-2, "warmup_steps": 5, "decay_steps": 100, "end_value": 1e-4}] * 2
    ),
    "inverse root": lambda step: 1e-2 * jnp.minimum((step + 1) / 20, jnp.sqrt(20 / (step + 1))),
}
_SOURCES: dict[str, dict[str, Any]] = {
    "batch of 2": {"size": 2, "tx": optax.adam(1e-3)},
    "batch of 4": {"size": 4, "tx": optax.adam(1e-3)},
    "batch of 8, momentum": {"size": 8, "tx": optax.sgd(5e-3, momentum=0.9)},
    "batch of 500": {"size": 500, "tx": optax.adam(1e-2)},
    "full batch": {"source": all_at_once, "tx": optax.adam(1e-2)},
    "full batch, momentum": {"source": all_at_once, "tx": optax.sgd(0.1, momentum=0.9)},
    "generator": {"source": data.epochs},
    "callable": {"source": drawn_at_random, "framework": "nnx"},
    "loader": {"source": Loader, "framework": "equinox", "tx": optax.adam(1e-2)},
    "on device": {"source": on_device, "framework": "plain"},
    "far outside": {"source": far_outside, "framework": "plain"},
}
_LOSSES: dict[str, dict[str, Any]] = {
    "one-hot": {"labels": one_hot, "loss": one_hot_entropy},
    "by hand": {"loss": by_hand, "framework": "plain"},
    "label smoothing": {"labels": one_hot, "loss": smoothed, "framework": "nnx"},
    "focal": {"labels": one_hot, "loss": focal, "tx": optax.adam(1e-2)},
    "hinge": {"loss": hinge},
    "poly": {"labels": one_hot, "loss": poly, "framework": "equinox"},
    "one logit": {"labels": first_or_not, "outputs": 1, "loss": binary, "framework": "plain"},
    "several labels": {"labels": several, "outputs": 6, "loss": binary, "framework": "nnx"},
    "softmax and guarded log": {"framework": "keras", "head": "softmax", "labels": one_hot, "loss": guarded_log},
    "noisy labels": {"labels": noisy},
    "noisy labels, batch of 4": {"labels": noisy, "size": 4, "tx": optax.adam(1e-3)},
    "clusters that overlap": {"spread": 2.5, "framework": "plain", "tx": optax.adam(2e-3)},
    "mixup": {"labels": one_hot, "loss": one_hot_entropy, "source": mixed_up},
    "two classes": {"classes": 2, "framework": "equinox"},
}

HEALTHY: dict[str, Callable[[int], nnw.Session]] = {
    **{name: partial(classify, **options) for name, options in _ARCHITECTURES.items()},
    **{f"optimizer, {name}": partial(classify, tx=tx) for name, tx in _OPTIMIZERS.items()},
    **{
        f"schedule, {name}": partial(classify, framework="plain", tx=optax.adam(schedule))
        for name, schedule in _SCHEDULES.items()
    },
    **{f"data, {name}": partial(classify, **options) for name, options in _SOURCES.items()},
    **{f"loss, {name}": partial(classify, **options) for name, options in _LOSSES.items()},
    "data, named fields": named_fields,
    "imbalance, weighted": partial(imbalanced, weighted=True),
    "imbalance, balanced batches": partial(imbalanced, weighted=False),
    "frozen body": partial(in_parts, body=optax.set_to_zero()),
    "slow body": partial(in_parts, body=optax.adam(1e-3)),
    "rings, linen": ring,
    "rings, tanh": partial(ring, framework="equinox", activation=jnp.tanh),
    "rings, plain": partial(ring, framework="plain", widths=(64,)),
}
