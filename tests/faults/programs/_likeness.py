"""Learning without labels, or from another network: codes, densities, likeness, teachers."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import flax.linen as linen
import jax
import jax.numpy as jnp
import numpy as np
import optax

import nnwidgets as nnw
from tests.faults import data

from ._networks import Array, dense

Params = dict[str, list[dict[str, jax.Array]]]


def _nets(seed: int, **sizes: tuple[int, ...]) -> Params:
    """Named perceptrons of these sizes."""
    params: Params = {}
    for i, (name, widths) in enumerate(sizes.items()):
        keys = jax.random.split(jax.random.fold_in(jax.random.key(seed), i), len(widths) - 1)
        # the last layer is not followed by a ReLU
        gains = [2.0] * (len(keys) - 1) + [1.0]
        params[name] = [
            {"w": jax.random.normal(key, (before, after)) * jnp.sqrt(gain / before), "b": jnp.zeros(after)}
            for key, gain, before, after in zip(keys, gains, widths, widths[1:], strict=False)
        ]
    return params


def _apply(layers: Any, x: jax.Array) -> jax.Array:
    for layer in layers[:-1]:
        x = jax.nn.relu(x @ layer["w"] + layer["b"])
    return x @ layers[-1]["w"] + layers[-1]["b"]


def _unit(x: jax.Array) -> jax.Array:
    return x / jnp.maximum(jnp.linalg.norm(x, axis=-1, keepdims=True), 1e-6)


def _clusters(seed: int, classes: int = 6, features: int = 12) -> tuple[Array, Array]:
    return data.blobs(seed, classes, features, 2000, 0.7).train


def _plane(seed: int, features: int = 16) -> Array:
    """Points near a bent surface of three dimensions, standardised."""
    rng = np.random.default_rng(seed)
    hidden = rng.normal(size=(2000, 3))
    x = np.tanh(hidden @ rng.normal(size=(3, features))) + 0.05 * rng.normal(size=(2000, features))
    return ((x - x.mean(0)) / x.std(0)).astype(np.float32)


def autoencoder(seed: int, *, noise: float = 0.0, sparsity: float = 0.0, code: int = 4) -> nnw.Session:
    """The batch is its own target."""

    def loss_fn(params: Any, x: jax.Array, *, rng: jax.Array, train: bool) -> Any:
        seen = x + noise * jax.random.normal(rng, x.shape) if train and noise else x
        hidden = _apply(params["encoder"], seen)
        hidden = jax.nn.relu(hidden) if sparsity else hidden
        outputs = _apply(params["decoder"], hidden)
        penalty = sparsity * jnp.mean(jnp.sum(jnp.abs(hidden), -1))
        return jnp.mean((outputs - x) ** 2) + penalty, {"outputs": outputs, "targets": x, "penalty": penalty}

    (batches,) = zip(*data.batches((_plane(seed),), 64, seed), strict=True)
    params = _nets(seed, encoder=(16, 48, code), decoder=(code, 48, 16))
    return nnw.Session(nnw.Objective(loss_fn, params), optax.adam(3e-3), list(batches), seed=seed)


def picture_codes(seed: int) -> nnw.Session:
    """A convolutional autoencoder of images between 0 and 1, with cross-entropy for each pixel."""

    class Codes(linen.Module):
        @linen.compact
        def __call__(self, x: jax.Array) -> jax.Array:
            x = linen.relu(linen.Conv(12, (3, 3), (2, 2))(x))
            x = linen.relu(linen.Conv(16, (3, 3), (2, 2))(x))
            x = linen.relu(linen.ConvTranspose(12, (3, 3), (2, 2))(x))
            return linen.ConvTranspose(1, (3, 3), (2, 2))(x)

    images = np.clip(data.shapes(seed, count=1000).train[0], 0, 1)
    model = Codes()
    variables = model.init(jax.random.key(seed), images[:1])
    objective = nnw.from_linen(
        model, variables, lambda outputs, x: optax.sigmoid_binary_cross_entropy(outputs, x).mean(),
        inputs=lambda x: x, targets=lambda x: x,
    )  # fmt: skip
    (batches,) = zip(*data.batches((images,), 40, seed), strict=True)
    return nnw.Session(objective, optax.adam(3e-3), list(batches), seed=seed)


def variational(seed: int, beta: float = 1.0) -> nnw.Session:
    """Codes with noise, and their distance to a normal distribution."""

    def loss_fn(params: Any, x: jax.Array, *, rng: jax.Array, train: bool) -> Any:
        mean, log_variance = jnp.split(_apply(params["encoder"], x), 2, axis=-1)
        noise = jax.random.normal(rng, mean.shape) if train else jnp.zeros_like(mean)
        outputs = _apply(params["decoder"], mean + noise * jnp.exp(0.5 * log_variance))
        error = jnp.mean(jnp.sum((outputs - x) ** 2, -1)) / 2
        divergence = 0.5 * jnp.mean(jnp.sum(jnp.exp(log_variance) + mean**2 - 1 - log_variance, -1))
        metrics = {"reconstruction": error, "divergence": divergence}
        return error + beta * divergence, {"outputs": outputs, "targets": x, "metrics": metrics}

    (batches,) = zip(*data.batches((_plane(seed),), 64, seed), strict=True)
    params = _nets(seed, encoder=(16, 48, 8), decoder=(4, 48, 16))
    return nnw.Session(nnw.Objective(loss_fn, params), optax.adam(3e-3), list(batches), seed=seed)


def quantized(seed: int) -> nnw.Session:
    """Codes from a book, with the gradient passed straight through."""

    def loss_fn(params: Any, x: jax.Array) -> Any:
        code = _apply(params["encoder"], x)
        distances = jnp.sum((code[:, None] - params["book"]) ** 2, -1)
        chosen = params["book"][jnp.argmin(distances, -1)]
        through = code + jax.lax.stop_gradient(chosen - code)
        outputs = _apply(params["decoder"], through)
        near = jnp.mean((jax.lax.stop_gradient(code) - chosen) ** 2)
        near += 0.25 * jnp.mean((code - jax.lax.stop_gradient(chosen)) ** 2)
        return jnp.mean((outputs - x) ** 2) + near, {"outputs": outputs, "targets": x}

    inputs, _ = _clusters(seed)
    (batches,) = zip(*data.batches((inputs,), 64, seed), strict=True)
    params = _nets(seed, encoder=(12, 32, 4), decoder=(4, 32, 12))
    params["book"] = jax.random.normal(jax.random.key(seed + 50), (16, 4))
    return nnw.Session(nnw.Objective(loss_fn, params), optax.adam(3e-3), list(batches), seed=seed)


def flow(seed: int) -> nnw.Session:
    """A density by two coupled layers: the loss is a negative log-likelihood, which may fall below 0."""

    def loss_fn(params: Any, x: jax.Array) -> Any:
        log_volume = 0.0
        for name, turned in (("one", False), ("two", True), ("three", False)):
            kept, changed = (x[:, 2:], x[:, :2]) if turned else (x[:, :2], x[:, 2:])
            shift, log_scale = jnp.split(_apply(params[name], kept), 2, axis=-1)
            log_scale = jnp.tanh(log_scale)
            changed = changed * jnp.exp(log_scale) + shift
            log_volume += jnp.sum(log_scale, -1)
            x = jnp.concatenate([changed, kept] if turned else [kept, changed], 1)
        log_density = -0.5 * jnp.sum(x**2, -1) - 2 * jnp.log(2 * jnp.pi) + log_volume
        return -jnp.mean(log_density)

    rng = np.random.default_rng(seed)
    x = rng.normal(size=(2000, 4))
    x[:, 2:] = 0.15 * x[:, 2:] + np.sin(2 * x[:, :2])
    (batches,) = zip(*data.batches((x.astype(np.float32),), 100, seed), strict=True)
    params = _nets(seed, one=(2, 32, 4), two=(2, 32, 4), three=(2, 32, 4))
    return nnw.Session(nnw.Objective(loss_fn, params), optax.adam(3e-3), list(batches), seed=seed)


def diffusion(seed: int, *, straight: bool) -> nnw.Session:
    """Noise is to be found in noisy points (or, if `straight`, the way from noise to points)."""

    def loss_fn(params: Any, x: jax.Array, *, rng: jax.Array) -> Any:
        one, two = jax.random.split(rng)
        time = jax.random.uniform(one, (len(x), 1))
        noise = jax.random.normal(two, x.shape)
        if straight:
            mixed, wanted = (1 - time) * noise + time * x, x - noise
        else:
            mixed, wanted = jnp.cos(time * jnp.pi / 2) * x + jnp.sin(time * jnp.pi / 2) * noise, noise
        waves = jnp.concatenate([jnp.sin(time * jnp.pi * k) for k in (0.5, 1, 2)], 1)
        found = _apply(params["field"], jnp.concatenate([mixed, waves], 1))
        return jnp.mean((found - wanted) ** 2), {"outputs": found, "targets": wanted}

    angle = np.random.default_rng(seed).uniform(0, 2 * np.pi, 3000)
    circle = (1.4 * np.stack([np.cos(angle), np.sin(angle)], 1)).astype(np.float32)
    (batches,) = zip(*data.batches((circle,), 128, seed), strict=True)
    params = _nets(seed, field=(5, 64, 64, 2))
    return nnw.Session(nnw.Objective(loss_fn, params), optax.adam(3e-3), list(batches), seed=seed)


def _views(x: jax.Array, rng: jax.Array) -> tuple[jax.Array, jax.Array]:
    one, two = jax.random.split(rng)
    return x + 0.4 * jax.random.normal(one, x.shape), x + 0.4 * jax.random.normal(two, x.shape)


def two_views(seed: int, kind: str) -> nnw.Session:
    """Two noisy views of each example must be alike: among all of the batch, or by the moments of their codes."""

    def among_all(one: jax.Array, two: jax.Array) -> jax.Array:
        both = _unit(jnp.concatenate([one, two]))
        alike = both @ both.T / 0.2 - 1e9 * jnp.eye(len(both))
        partner = jnp.roll(jnp.arange(len(both)), len(one))
        return optax.softmax_cross_entropy_with_integer_labels(alike, partner).mean()

    def moments(one: jax.Array, two: jax.Array) -> jax.Array:
        def spread(code: jax.Array) -> jax.Array:
            code = code - code.mean(0)
            covariance = code.T @ code / (len(code) - 1)
            others = jnp.sum(covariance**2) - jnp.sum(jnp.diagonal(covariance) ** 2)
            deviation = jnp.sqrt(jnp.diagonal(covariance) + 1e-4)
            return jnp.mean(jax.nn.relu(1 - deviation)) + 0.04 * others / code.shape[1]

        return jnp.mean((one - two) ** 2) + spread(one) + spread(two)

    def cross_correlation(one: jax.Array, two: jax.Array) -> jax.Array:
        one, two = ((code - code.mean(0)) / (code.std(0) + 1e-4) for code in (one, two))
        matrix = one.T @ two / len(one)
        wanted = jnp.eye(len(matrix))
        return jnp.sum(jnp.where(wanted > 0, 1.0, 0.02) * (matrix - wanted) ** 2)

    compare = {"among all": among_all, "moments": moments, "correlation": cross_correlation}[kind]

    def loss_fn(params: Any, x: jax.Array, *, rng: jax.Array) -> Any:
        return compare(*(_apply(params["encoder"], view) for view in _views(x, rng)))

    inputs, _ = _clusters(seed)
    (batches,) = zip(*data.batches((inputs,), 64, seed), strict=True)
    params = _nets(seed, encoder=(12, 64, 8))
    return nnw.Session(nnw.Objective(loss_fn, params), optax.adam(3e-3), list(batches), seed=seed)


def pictures_and_words(seed: int) -> nnw.Session:
    """Two encoders, all pairs of the batch in a square of likenesses, and a temperature that is learned."""

    def loss_fn(params: Any, batch: Any) -> Any:
        pictures, words = batch
        one, two = _unit(_apply(params["picture"], pictures)), _unit(_apply(params["word"], words))
        alike = one @ two.T * jnp.exp(params["scale"])
        own = jnp.arange(len(alike))
        forth = optax.softmax_cross_entropy_with_integer_labels(alike, own).mean()
        back = optax.softmax_cross_entropy_with_integer_labels(alike.T, own).mean()
        return (forth + back) / 2, {"outputs": alike, "targets": own}

    rng = np.random.default_rng(seed)
    hidden = rng.normal(size=(2000, 5))
    pictures = np.tanh(hidden @ rng.normal(size=(5, 16))) + 0.1 * rng.normal(size=(2000, 16))
    words = hidden @ rng.normal(size=(5, 10)) / 2 + 0.1 * rng.normal(size=(2000, 10))
    params = _nets(seed, picture=(16, 64, 8), word=(10, 64, 8))
    params["scale"] = jnp.asarray(np.log(5.0), jnp.float32)
    batches = data.batches((pictures.astype(np.float32), words.astype(np.float32)), 64, seed)
    return nnw.Session(nnw.Objective(loss_fn, params), optax.adam(3e-3), batches, seed=seed)


def follow_the_leader(seed: int, *, target: bool) -> nnw.Session:
    """Both views predict each other: the second from the same network, or from its slow mean (`target`), held still."""

    def loss_fn(params: Any, x: jax.Array, *, rng: jax.Array, state: Any, train: bool) -> Any:
        leader = state["mean"] if target else params["encoder"]
        loss = jnp.zeros(())
        for one, two in (views := _views(x, rng), views[::-1]):
            predicted = _apply(params["predictor"], _apply(params["encoder"], one))
            wanted = jax.lax.stop_gradient(_apply(leader, two))
            loss += jnp.mean(2 - 2 * jnp.sum(_unit(predicted) * _unit(wanted), -1)) / 2
        if train and target:
            move = partial(jax.tree.map, lambda old, new: 0.99 * old + 0.01 * jax.lax.stop_gradient(new))
            state = {"mean": move(state["mean"], params["encoder"])}
        return loss, {"state": state}

    inputs, _ = _clusters(seed)
    (batches,) = zip(*data.batches((inputs,), 64, seed), strict=True)
    params = _nets(seed, encoder=(12, 64, 8), predictor=(8, 32, 8))
    state = {"mean": params["encoder"]} if target else {}
    return nnw.Session(nnw.Objective(loss_fn, params, state), optax.adam(2e-3), list(batches), seed=seed)


def distances(seed: int, kind: str) -> nnw.Session:
    """Examples of one class near each other: triples, pairs, prototypes, or angles to learned centres."""

    def loss_fn(params: Any, batch: Any) -> Any:
        x, labels = batch
        code = _apply(params["encoder"], x)
        same = labels[:, None] == labels
        if kind == "angles":
            cosine = _unit(code) @ _unit(params["centres"]).T
            own = jax.nn.one_hot(labels, 6)
            return optax.softmax_cross_entropy(10 * (cosine - 0.2 * own), own).mean()
        if kind == "prototypes":
            # the first half shows the classes, the second asks
            own = jax.nn.one_hot(labels[:48], 6)
            centres = own.T @ code[:48] / jnp.maximum(own.sum(0)[:, None], 1.0)
            scores = -jnp.sum((code[48:, None] - centres) ** 2, -1)
            return optax.softmax_cross_entropy_with_integer_labels(scores, labels[48:]).mean()
        squares = jnp.sum((code[:, None] - code) ** 2, -1)
        if kind == "pairs":
            near = jnp.sqrt(squares + 1e-6)
            return jnp.mean(jnp.where(same, squares, jax.nn.relu(2.0 - near) ** 2))
        farthest = jnp.max(jnp.where(same, squares, 0.0), 1)
        nearest = jnp.min(jnp.where(same, 1e6, squares), 1)
        return jnp.mean(jax.nn.softplus(farthest - nearest))

    params = _nets(seed, encoder=(12, 48, 4))
    if kind == "angles":
        params["centres"] = jax.random.normal(jax.random.key(seed + 9), (6, 4))
    batches = data.batches(_clusters(seed), 96, seed)
    return nnw.Session(nnw.Objective(loss_fn, params), optax.adam(2e-3), batches, seed=seed)


def taught(seed: int, *, held_in_params: bool) -> nnw.Session:
    """The softened answers of a teacher beside the labels; it stands still, whether it is among the params or not."""
    inputs, labels = _clusters(seed)
    centres = np.stack([inputs[labels == each].mean(0) for each in range(6)])
    teacher = {"w": jnp.asarray(centres.T / 0.5), "b": jnp.asarray(-(centres**2).sum(1), jnp.float32)}
    student = _nets(seed, student=(12, 32, 6))["student"]

    def loss_fn(params: Any, batch: Any) -> Any:
        x, labels = batch
        master = params["teacher"] if held_in_params else teacher
        wanted = jax.nn.softmax(jax.lax.stop_gradient(x @ master["w"] + master["b"]) / 4)
        logits = _apply(params["student"], x)
        soft = optax.losses.kl_divergence(jax.nn.log_softmax(logits / 4), wanted).mean()
        hard = optax.softmax_cross_entropy_with_integer_labels(logits, labels).mean()
        return 0.7 * 16 * soft + 0.3 * hard, {"outputs": logits, "targets": labels}

    params = {"student": student} | ({"teacher": teacher} if held_in_params else {})
    tx = optax.adam(3e-3)
    if held_in_params:
        tx = optax.partition({"learn": tx, "keep": optax.set_to_zero()}, {"student": "learn", "teacher": "keep"})
    return nnw.Session(nnw.Objective(loss_fn, params), tx, data.batches((inputs, labels), 50, seed), seed=seed)


def experts(seed: int) -> nnw.Session:
    """Four small networks and a gate that weighs their answers."""

    def loss_fn(params: Any, batch: Any) -> Any:
        x, labels = batch
        share = jax.nn.softmax(_apply(params["gate"], x))
        answers = jnp.stack([_apply(params[f"expert{i}"], x) for i in range(4)], 1)
        logits = jnp.einsum("be,bek->bk", share, answers)
        return optax.softmax_cross_entropy_with_integer_labels(logits, labels).mean(), {
            "outputs": logits,
            "targets": labels,
        }

    params = _nets(seed, gate=(12, 4), **{f"expert{i}": (12, 16, 6) for i in range(4)})
    batches = data.batches(_clusters(seed), 50, seed)
    return nnw.Session(nnw.Objective(loss_fn, params), optax.adam(3e-3), batches, seed=seed)


def bandit(seed: int) -> nnw.Session:
    """Off-policy value learning: which of four actions pays, from what was logged; a value for each action taken."""
    inputs, labels = data.blobs(seed, 4, 8, 2000, 0.7).train
    rng = np.random.default_rng(seed)
    actions = rng.integers(0, 4, len(labels)).astype(np.int32)
    paid = ((actions == labels) + 0.1 * rng.normal(size=len(labels))).astype(np.float32)

    def loss_fn(params: Any, batch: Any) -> Any:
        values = _apply(params["values"], batch["seen"])
        taken = jnp.take_along_axis(values, batch["action"][:, None], 1)[:, 0]
        return optax.huber_loss(taken, batch["paid"]).mean(), {"outputs": taken, "targets": batch["paid"]}

    rows = data.batches((inputs, actions, paid), 64, seed)
    batches = [dict(zip(("seen", "action", "paid"), each, strict=True)) for each in rows]
    return nnw.Session(nnw.Objective(loss_fn, _nets(seed, values=(8, 64, 4))), optax.adam(3e-3), batches, seed=seed)


def float16_scaled(seed: int) -> nnw.Session:
    """float16 arithmetic on float32 parameters, with a loss that is scaled up and gradients that are scaled back."""
    scale = 256.0

    def loss_fn(params: Any, batch: Any) -> Any:
        x, labels = batch
        half = jax.tree.map(lambda leaf: leaf.astype(jnp.float16), params["net"])
        logits = _apply(half, x.astype(jnp.float16)).astype(jnp.float32)
        loss = optax.softmax_cross_entropy_with_integer_labels(logits, labels).mean()
        return loss * scale, {"outputs": logits, "targets": labels, "metrics": {"unscaled": loss}}

    tx = optax.chain(optax.scale(1 / scale), optax.adam(3e-3))
    batches = data.batches(_clusters(seed), 50, seed)
    return nnw.Session(nnw.Objective(loss_fn, _nets(seed, net=(12, 48, 6))), tx, batches, seed=seed)


def _masked_codes(seed: int) -> nnw.Session:
    """A third of the features is hidden and to be guessed from the rest; dense network in Linen."""
    objective = dense(
        "linen", seed, 32, (96,), 16,
        lambda outputs, pair: jnp.sum((outputs - pair[0]) ** 2 * pair[1]) / jnp.maximum(jnp.sum(pair[1]), 1.0),
    )  # fmt: skip
    x = _plane(seed)

    def batch(step: int) -> Any:
        rng = np.random.default_rng((seed, step))
        wanted = x[rng.integers(0, len(x), 64)]
        hidden = (rng.uniform(size=wanted.shape) < 0.33).astype(np.float32)
        return np.concatenate([wanted * (1 - hidden), hidden], 1), (wanted, hidden)

    return nnw.Session(objective, optax.adam(3e-3), batch, seed=seed)


HEALTHY: dict[str, Callable[[int], nnw.Session]] = {
    "autoencoder": autoencoder,
    "autoencoder, noise": partial(autoencoder, noise=0.3),
    "autoencoder, sparse": partial(autoencoder, sparsity=0.005, code=48),
    "picture codes": picture_codes,
    "variational": variational,
    "variational, beta": partial(variational, beta=0.2),
    "quantized": quantized,
    "flow": flow,
    "diffusion": partial(diffusion, straight=False),
    "flow matching": partial(diffusion, straight=True),
    "masked features": _masked_codes,
    "two views, among all": partial(two_views, kind="among all"),
    "two views, moments": partial(two_views, kind="moments"),
    "two views, correlation": partial(two_views, kind="correlation"),
    "pictures and words": pictures_and_words,
    "slow target": partial(follow_the_leader, target=True),
    "no target": partial(follow_the_leader, target=False),
    "triples": partial(distances, kind="triples"),
    "pairs": partial(distances, kind="pairs"),
    "prototypes": partial(distances, kind="prototypes"),
    "angles": partial(distances, kind="angles"),
    "taught": partial(taught, held_in_params=False),
    "taught, teacher in params": partial(taught, held_in_params=True),
    "experts": experts,
    "bandit": bandit,
    "float16, scaled": float16_scaled,
}
