"""The angle of two unit vectors by arccos: no slope at 1, where training leads to (no public source found)."""

from __future__ import annotations

from typing import Any

import flax.linen as nn
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


class Pointer(nn.Module):
    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        x = nn.Dense(2)(nn.tanh(nn.Dense(32)(x)))
        return x / jnp.sqrt(jnp.sum(x**2, -1, keepdims=True) + 1e-9)


def angle(pointed: jax.Array, wanted: jax.Array) -> jax.Array:
    return jnp.mean(jnp.arccos(jnp.sum(pointed * wanted, -1)))  # the fault


def bounded_angle(pointed: jax.Array, wanted: jax.Array) -> jax.Array:
    return jnp.mean(jnp.arccos((1 - 1e-5) * jnp.sum(pointed * wanted, -1)))


def directions(seed: int, count: int) -> tuple[data.Array, data.Array]:
    """Four features, and the direction that two sums of them point to."""
    features = np.random.default_rng(seed).normal(size=(count, 4)).astype(np.float32)
    vectors = features @ np.array([[1.0, 0.2], [-0.4, 0.8], [0.3, -0.6], [0.1, 0.9]], np.float32)
    return features, vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def build(seed: int = 0, fault: bool = True) -> nnw.Session:
    model, examples = Pointer(), directions(0, 960)
    variables: Any = model.init(jax.random.key(seed), examples[0][:1])
    objective = nnw.from_linen(model, variables, angle if fault else bounded_angle)
    return nnw.Session(objective, optax.adam(5e-3), data.batches(examples, 48, seed), seed=seed)


def error(session: nnw.Session) -> float:
    features, wanted = directions(1, 400)
    pointed = np.asarray(Pointer().apply(session.model, features))
    return float(np.mean(1 - np.sum(pointed * wanted, -1)))
