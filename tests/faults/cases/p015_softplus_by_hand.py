"""An activation of where and exp: the branch not taken overflows, its gradient is NaN (jax-ml/jax PR#1538, PR#1722)."""

from __future__ import annotations

import itertools
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax

import nnwidgets as nnw
from tests.faults import data

GROUP = "nan"
ACCEPT = {"NonFinite"}
WHERE = ""
STEPS = 200
SHARPNESS = 60.0


def sharp_softplus(x: jax.Array) -> jax.Array:
    return jnp.where(SHARPNESS * x > 20, x, jnp.log1p(jnp.exp(SHARPNESS * x)) / SHARPNESS)  # the fault


def safe_softplus(x: jax.Array) -> jax.Array:
    bounded = jnp.minimum(SHARPNESS * x, 20)
    return jnp.where(SHARPNESS * x > 20, x, jnp.log1p(jnp.exp(bounded)) / SHARPNESS)


def init(key: jax.Array, sizes: tuple[int, ...]) -> dict[str, Any]:
    keys = jax.random.split(key, len(sizes))
    return {
        f"layer{i}": {"kernel": jax.random.normal(keys[i], (a, b)) * (2 / a) ** 0.5, "bias": jnp.zeros(b)}
        for i, (a, b) in enumerate(itertools.pairwise(sizes))
    }


def surface(params: Any, points: Any, activation: Any) -> jax.Array:
    last = len(params) - 1
    for i in range(last):
        points = activation(points @ params[f"layer{i}"]["kernel"] + params[f"layer{i}"]["bias"])
    return (points @ params[f"layer{last}"]["kernel"] + params[f"layer{last}"]["bias"])[:, 0]


def distances(seed: int, count: int) -> tuple[data.Array, data.Array]:
    """Points of the square and their signed distance to the nearer one of two circles."""
    points = np.random.default_rng(seed).uniform(-1, 1, (count, 2)).astype(np.float32)
    circles = [(np.linalg.norm(points - centre, axis=1) - 0.3) for centre in ((-0.4, -0.3), (0.5, 0.4))]
    return points, np.minimum(*circles).astype(np.float32)


def build(seed: int = 0, fault: bool = True) -> nnw.Session:
    activation = sharp_softplus if fault else safe_softplus

    def fit(params: Any, batch: Any) -> jax.Array:
        points, distance = batch
        return jnp.mean((surface(params, points, activation) - distance) ** 2)

    params = init(jax.random.key(seed), (2, 32, 32, 1))
    batches = data.batches(distances(0, 1280), 64, seed)
    return nnw.Session(nnw.Objective(fit, params), optax.adam(3e-3), batches, seed=seed)


def error(session: nnw.Session) -> float:
    points, distance = distances(1, 500)
    predicted = np.asarray(surface(session.params, points, safe_softplus))
    return float(np.mean((predicted - distance) ** 2) / distance.var())
