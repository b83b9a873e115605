"""Regression: kinds of targets and of losses, several tasks at once, and gradients with respect to the inputs."""

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

Targets = Callable[[Array, Array, np.random.Generator], Array]


def regress(
    seed: int,
    *,
    loss: Callable[[Any, Any], Any],
    framework: str = "plain",
    widths: tuple[int, ...] = (64, 64),
    features: int = 5,
    outputs: int = 1,
    size: int = 50,
    tx: optax.GradientTransformation | None = None,
    targets: Targets | None = None,
    change: Callable[[Array], Array] | None = None,
    **network: Any,
) -> nnw.Session:
    """A dense network on a smooth function of mean 0 and variance 1; `targets` makes others of it, `change` other inputs."""
    split = data.curve(seed, features, 1500)
    rng = np.random.default_rng(seed)
    parts = [
        (change(inputs) if change else inputs, targets(inputs, values, rng) if targets else values)
        for inputs, values in split
    ]
    width = parts[0][0].shape[1]
    return nnw.Session(
        dense(framework, seed, width, widths, outputs, loss, **network),
        optax.adam(3e-3) if tx is None else tx,
        data.batches(parts[0], size, seed),
        validation=data.batches(parts[1], 100),
        seed=seed,
    )


def squared(outputs: Any, targets: Any) -> Any:
    return jnp.mean((outputs.reshape(targets.shape) - targets) ** 2)


def absolute(outputs: Any, targets: Any) -> Any:
    return jnp.abs(outputs[:, 0] - targets).mean()


def huber(outputs: Any, targets: Any) -> Any:
    return optax.huber_loss(outputs.squeeze(-1), targets).mean()


def log_cosh(outputs: Any, targets: Any) -> Any:
    return optax.log_cosh(outputs[:, 0], targets).mean()


def root(outputs: Any, targets: Any) -> Any:
    return jnp.sqrt(jnp.mean((outputs[:, 0] - targets) ** 2) + 1e-8)


def quantiles(outputs: Any, targets: Any) -> Any:
    levels = jnp.array([0.1, 0.5, 0.9])
    over = targets[:, None] - outputs
    return jnp.mean(jnp.maximum(levels * over, (levels - 1) * over))


def poisson(log_rate: Any, counts: Any) -> Any:
    return jnp.mean(jnp.exp(log_rate[:, 0]) - counts * log_rate[:, 0])


def gaussian(outputs: Any, targets: Any) -> Any:
    mean, log_variance = outputs[:, 0], outputs[:, 1]
    return 0.5 * jnp.mean(log_variance + (targets - mean) ** 2 / jnp.exp(log_variance) + jnp.log(2 * jnp.pi))


def mixture(outputs: Any, targets: Any) -> Any:
    weights, means, log_scales = jnp.split(outputs, 3, axis=-1)
    distances = (targets[:, None] - means) / jnp.exp(log_scales)
    logs = jax.nn.log_softmax(weights) - log_scales - 0.5 * distances**2 - 0.5 * jnp.log(2 * jnp.pi)
    return -jax.nn.logsumexp(logs, axis=-1).mean()


def softplus_squared(outputs: Any, targets: Any) -> Any:
    return jnp.mean((jax.nn.softplus(outputs[:, 0]) - targets) ** 2)


def sigmoid_squared(outputs: Any, targets: Any) -> Any:
    return jnp.mean((jax.nn.sigmoid(outputs[:, 0]) - targets) ** 2)


def tanh_squared(outputs: Any, targets: Any) -> Any:
    return jnp.mean((jnp.tanh(outputs[:, 0]) - targets) ** 2)


def soft_binary(outputs: Any, targets: Any) -> Any:
    return optax.sigmoid_binary_cross_entropy(outputs[:, 0], targets).mean()


def direction(outputs: Any, targets: Any) -> Any:
    return optax.cosine_distance(outputs, targets, epsilon=1e-6).mean()


def ordinal(outputs: Any, targets: Any) -> Any:
    """Whether each of four borders is passed."""
    passed = (targets[:, None] > jnp.arange(4)).astype(jnp.float32)
    return optax.sigmoid_binary_cross_entropy(outputs, passed).mean()


def ranked(outputs: Any, targets: Any) -> Any:
    """Every pair of the batch in the right order."""
    scores = outputs[:, 0]
    above = targets[:, None] > targets[None, :]
    return jnp.sum(above * jax.nn.softplus(scores[None, :] - scores[:, None])) / jnp.sum(above)


def survival(outputs: Any, times: Any) -> Any:
    """Cox's partial likelihood: who fails next among those still there."""
    risk = outputs[:, 0]
    still_there = times[None, :] >= times[:, None]
    return -jnp.mean(risk - jax.nn.logsumexp(jnp.where(still_there, risk[None, :], -1e9), axis=1))


def many(inputs: Any, values: Any, rng: Any) -> Any:
    mixing = np.random.default_rng(3).normal(size=(inputs.shape[1], 12))
    return np.tanh(inputs @ mixing).astype(np.float32)


def with_outliers(inputs: Any, values: Any, rng: Any) -> Any:
    wild = rng.uniform(size=len(values)) < 0.03
    return np.where(wild, values + rng.normal(0, 5, len(values)), values).astype(np.float32)


def very_noisy(inputs: Any, values: Any, rng: Any) -> Any:
    return (values + rng.normal(0, 1, len(values))).astype(np.float32)


def counts(inputs: Any, values: Any, rng: Any) -> Any:
    return rng.poisson(np.exp(0.7 * values)).astype(np.float32)


def positive(inputs: Any, values: Any, rng: Any) -> Any:
    return np.exp(0.5 * values).astype(np.float32)


def share(inputs: Any, values: Any, rng: Any) -> Any:
    return (1 / (1 + np.exp(-2 * values))).astype(np.float32)


def between(inputs: Any, values: Any, rng: Any) -> Any:
    return np.tanh(values).astype(np.float32)


def around(inputs: Any, values: Any, rng: Any) -> Any:
    """Points on the unit circle."""
    return np.stack([np.cos(values), np.sin(values)], 1).astype(np.float32)


def levels(inputs: Any, values: Any, rng: Any) -> Any:
    return np.digitize(values, [-1, -0.3, 0.3, 1]).astype(np.float32)


def waiting_time(inputs: Any, values: Any, rng: Any) -> Any:
    return (np.exp(-2 * values) * rng.exponential(size=len(values)) ** 0.3).astype(np.float32)


def waves(inputs: Any) -> Any:
    """Sines and cosines of the inputs, a fixed coding."""
    angles = np.concatenate([np.pi * k * inputs for k in (1, 2)], 1)
    return np.concatenate([inputs, np.sin(angles), np.cos(angles)], 1).astype(np.float32)


class TwoTasks(linen.Module):
    """A shared body with a head for a number and one for a class."""

    @linen.compact
    def __call__(self, x: jax.Array) -> tuple[jax.Array, jax.Array]:
        x = linen.relu(linen.Dense(64, name="shared")(x))
        return linen.Dense(1, name="number")(x)[:, 0], linen.Dense(3, name="kind")(x)


def two_tasks(seed: int) -> nnw.Session:
    def loss(outputs: Any, targets: Any) -> Any:
        number, kind = outputs
        error = jnp.mean((number - targets["number"]) ** 2)
        return error + 0.5 * optax.softmax_cross_entropy_with_integer_labels(kind, targets["kind"]).mean()

    examples: Any = data.curve(seed, 5, 1500).train
    inputs, values = examples
    kind = np.digitize(inputs[:, 0] + inputs[:, 1], [-0.5, 0.5]).astype(np.int32)
    rows = data.batches((inputs, values, kind), 50, seed)
    batches = [(x, {"number": number, "kind": kind}) for x, number, kind in rows]
    model = TwoTasks()
    variables = model.init(jax.random.key(seed), inputs[:1])
    return nnw.Session(nnw.from_linen(model, variables, loss), optax.adam(5e-3), batches, seed=seed)


def ensemble(seed: int) -> nnw.Session:
    """Four networks side by side, each with parameters of its own."""

    def start(key: jax.Array) -> dict[str, jax.Array]:
        one, two = jax.random.split(key)
        w, v = jax.random.normal(one, (5, 32)) * 0.6, jax.random.normal(two, (32, 1)) * 0.18
        return {"w": w, "b": jnp.zeros(32), "v": v, "c": jnp.zeros(1)}

    def loss_fn(params: Any, batch: Any) -> Any:
        x, y = batch
        each = jax.vmap(lambda p: (jax.nn.relu(x @ p["w"] + p["b"]) @ p["v"] + p["c"])[:, 0])(params)
        return jnp.mean((each - y) ** 2), {"outputs": each, "targets": y}

    params = jax.vmap(start)(jax.random.split(jax.random.key(seed), 4))
    batches = data.batches(data.curve(seed, 5, 1500).train, 50, seed)
    return nnw.Session(nnw.Objective(loss_fn, params), optax.adam(1e-2), batches, seed=seed)


def _little_net(seed: int, inputs: int, outputs: int = 1, width: int = 32) -> list[dict[str, jax.Array]]:
    sizes = [inputs, width, width, outputs]
    keys = jax.random.split(jax.random.key(seed), 3)
    return [
        {"w": jax.random.normal(key, (i, o)) / jnp.sqrt(i), "b": jnp.zeros(o)}
        for key, i, o in zip(keys, sizes, sizes[1:], strict=False)
    ]


def _smooth(params: Any, x: jax.Array) -> jax.Array:
    for layer in params[:-1]:
        x = jnp.tanh(x @ layer["w"] + layer["b"])
    return x @ params[-1]["w"] + params[-1]["b"]


def differential_equation(seed: int) -> nnw.Session:
    """u'' = -4 u with u(0) = 0, u'(0) = 2: the loss holds derivatives with respect to the input."""

    def loss_fn(params: Any, times: jax.Array) -> Any:
        def u(t: jax.Array) -> jax.Array:
            return _smooth(params, t[None])[0]

        slope = jax.grad(u)
        residual = jax.vmap(lambda t: jax.grad(slope)(t) + 4 * u(t))(times)
        start = u(jnp.zeros(())) ** 2 + (slope(jnp.zeros(())) - 2) ** 2
        return jnp.mean(residual**2) + start

    def points(step: int) -> Array:
        return np.random.default_rng((seed, step)).uniform(0, 1.5, 64).astype(np.float32)

    return nnw.Session(nnw.Objective(loss_fn, _little_net(seed, 1)), optax.adam(5e-3), points, seed=seed)


def heat(seed: int) -> nnw.Session:
    """The heat equation on a square with a given start, as a physics-informed network."""

    def loss_fn(params: Any, batch: Any) -> Any:
        inside, start = batch

        def u(point: jax.Array) -> jax.Array:
            return _smooth(params, point)[0]

        def residual(point: jax.Array) -> jax.Array:
            return jax.grad(u)(point)[1] - 0.1 * jax.hessian(u)(point)[0, 0]

        wanted = jnp.sin(jnp.pi * start[:, 0])
        return jnp.mean(jax.vmap(residual)(inside) ** 2) + jnp.mean((jax.vmap(u)(start) - wanted) ** 2)

    def points(step: int) -> Any:
        rng = np.random.default_rng((seed, step))
        start = np.stack([rng.uniform(0, 1, 32), np.zeros(32)], 1)
        return rng.uniform(0, 1, (64, 2)).astype(np.float32), start.astype(np.float32)

    return nnw.Session(nnw.Objective(loss_fn, _little_net(seed, 2)), optax.adam(1e-2), points, seed=seed)


def energy(seed: int) -> nnw.Session:
    """A Hamiltonian network: the motion of a spring is the turned gradient of an energy that is learned."""

    def loss_fn(params: Any, batch: Any) -> Any:
        place, motion = batch
        slopes = jax.vmap(jax.grad(lambda point: _smooth(params, point)[0]))(place)
        predicted = jnp.stack([slopes[:, 1], -slopes[:, 0]], 1)
        return jnp.mean((predicted - motion) ** 2), {"outputs": predicted, "targets": motion}

    place = np.random.default_rng(seed).uniform(-1.5, 1.5, (1000, 2)).astype(np.float32)
    motion = np.stack([place[:, 1], -place[:, 0]], 1)
    batches = data.batches((place, motion), 50, seed)
    return nnw.Session(nnw.Objective(loss_fn, _little_net(seed, 2)), optax.adam(5e-3), batches, seed=seed)


def flow_in_time(seed: int) -> nnw.Session:
    """A neural differential equation: ten Euler steps of a learned field must turn points by a right angle."""

    def loss_fn(params: Any, batch: Any) -> Any:
        start, end = batch
        reached, _ = jax.lax.scan(lambda x, _: (x + 0.1 * _smooth(params, x), None), start, None, length=10)
        return jnp.mean((reached - end) ** 2), {"outputs": reached, "targets": end}

    start = np.random.default_rng(seed).normal(size=(1000, 2)).astype(np.float32)
    end = np.stack([-start[:, 1], start[:, 0]], 1)
    batches = data.batches((start, end), 50, seed)
    return nnw.Session(nnw.Objective(loss_fn, _little_net(seed, 2, 2)), optax.adam(5e-3), batches, seed=seed)


def sets(seed: int) -> nnw.Session:
    """The spread of a set of numbers, from sums over its members; sets have different sizes, with a mask."""

    def loss_fn(params: Any, batch: Any) -> Any:
        members, there, wanted = batch
        x = jax.nn.relu(members[..., None] @ params["each"]["w"] + params["each"]["b"])
        pooled = jnp.sum(x * there[..., None], 1) / jnp.sum(there, 1, keepdims=True)
        hidden = jax.nn.relu(pooled @ params["all"]["w"] + params["all"]["b"])
        guess = (hidden @ params["out"]["w"] + params["out"]["b"])[:, 0]
        return jnp.mean((guess - wanted) ** 2), {"outputs": guess, "targets": wanted}

    rng = np.random.default_rng(seed)
    there = (np.arange(12) < rng.integers(4, 13, (1500, 1))).astype(np.float32)
    members = (there * rng.normal(0, rng.uniform(0.2, 1.8, (1500, 1)), (1500, 12))).astype(np.float32)
    spread = np.sqrt((members**2).sum(1) / there.sum(1))
    wanted = ((spread - spread.mean()) / spread.std()).astype(np.float32)
    keys = jax.random.split(jax.random.key(seed), 3)
    sizes = {"each": (1, 32), "all": (32, 32), "out": (32, 1)}
    params = {
        name: {"w": jax.random.normal(key, shape) * jnp.sqrt(2 / shape[0]), "b": jnp.zeros(shape[1])}
        for key, (name, shape) in zip(keys, sizes.items(), strict=True)
    }
    batches = data.batches((members, there, wanted), 50, seed)
    return nnw.Session(nnw.Objective(loss_fn, params), optax.adam(5e-3), batches, seed=seed)


def line(seed: int, tx: optax.GradientTransformation) -> nnw.Session:
    """Linear regression, in plain JAX, from zero."""

    def loss_fn(params: Any, batch: Any) -> Any:
        x, y = batch
        return jnp.mean((x @ params["w"] + params["b"] - y) ** 2)

    rng = np.random.default_rng(seed)
    x = rng.normal(size=(1000, 8)).astype(np.float32)
    y = (x @ rng.normal(size=8) / 2 + 0.3 * rng.normal(size=1000) + 1.0).astype(np.float32)
    params = {"w": jnp.zeros(8), "b": jnp.zeros(())}
    return nnw.Session(nnw.Objective(loss_fn, params), tx, data.batches((x, y), 50, seed), seed=seed)


_KINDS: dict[str, dict[str, Any]] = {
    "squared": {"loss": squared},
    "squared, nnx": {"loss": squared, "framework": "nnx", "activation": jax.nn.gelu},
    "squared, equinox, layer norm": {"loss": squared, "framework": "equinox", "norm": "layer"},
    "squared, keras": {"loss": squared, "framework": "keras", "activation": "tanh"},
    "squared, linen, batch norm": {"loss": squared, "framework": "linen", "norm": "batch", "size": 100},
    "squared, linen, zero head": {"loss": squared, "framework": "linen", "zero_head": True},
    "squared, linen, bfloat16": {"loss": squared, "framework": "linen", "dtype": jnp.bfloat16},
    "many outputs": {"loss": squared, "targets": many, "outputs": 12, "framework": "linen"},
    "many outputs, momentum": {"loss": squared, "targets": many, "outputs": 12, "tx": optax.sgd(0.05, momentum=0.9)},
    "very noisy": {"loss": squared, "targets": very_noisy},
    "coded as waves": {"loss": squared, "change": waves, "widths": (64,)},
    "absolute": {"loss": absolute, "framework": "linen"},
    "Huber, outliers": {"loss": huber, "targets": with_outliers},
    "log cosh": {"loss": log_cosh, "framework": "equinox"},
    "root": {"loss": root, "framework": "nnx"},
    "quantiles": {"loss": quantiles, "outputs": 3, "framework": "linen"},
    "Poisson": {"loss": poisson, "targets": counts, "framework": "equinox", "tx": optax.adam(1e-2)},
    "Gaussian": {"loss": gaussian, "outputs": 2, "framework": "nnx"},
    "mixture": {"loss": mixture, "outputs": 9},
    "softplus head": {"loss": softplus_squared, "targets": positive},
    "sigmoid head": {"loss": sigmoid_squared, "targets": share, "framework": "linen"},
    "tanh head": {"loss": tanh_squared, "targets": between, "framework": "nnx"},
    "shares by cross-entropy": {"loss": soft_binary, "targets": share, "tx": optax.adam(1e-2)},
    "directions": {"loss": direction, "targets": around, "outputs": 2},
    "ordinal": {"loss": ordinal, "targets": levels, "outputs": 4, "framework": "linen"},
    "ranking": {"loss": ranked, "framework": "nnx"},
    "survival": {"loss": survival, "targets": waiting_time, "size": 100},
}

HEALTHY: dict[str, Callable[[int], nnw.Session]] = {
    **{name: partial(regress, **options) for name, options in _KINDS.items()},
    "two tasks": two_tasks,
    "ensemble": ensemble,
    "line, sgd": partial(line, tx=optax.sgd(0.05)),
    "line, adam": partial(line, tx=optax.adam(0.05)),
    "line, heavy ball": partial(line, tx=optax.sgd(0.01, momentum=0.9)),
    "differential equation": differential_equation,
    "heat equation": heat,
    "energy": energy,
    "flow in time": flow_in_time,
    "sets": sets,
}
