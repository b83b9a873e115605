"""The distance of a pair of equal points: the norm's slope at zero is NaN (jax-ml/jax#3058, #2377, pytorch/pytorch#2421)."""

from __future__ import annotations

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax

import nnwidgets as nnw
from tests.faults import data

GROUP = "nan"
ACCEPT = {"NonFinite", "UnguardedLog"}
WHERE = ""
STEPS = 200
MARGIN = 2.0


class Siamese(eqx.Module):
    encoder: eqx.nn.MLP
    guarded: bool = eqx.field(static=True)

    def __call__(self, left: jax.Array, right: jax.Array) -> jax.Array:
        apart = self.encoder(left) - self.encoder(right)
        if self.guarded:
            return jnp.sqrt(jnp.sum(apart**2) + 1e-8)
        return jnp.linalg.norm(apart)  # the fault


def contrastive(distance: jax.Array, same: jax.Array) -> jax.Array:
    return jnp.mean(same * distance**2 + (1 - same) * jnp.maximum(MARGIN - distance, 0) ** 2)


def pairs(examples: tuple[data.Array, data.Array], seed: int, count: int) -> tuple[Any, Any]:
    """Half of the pairs are of one class; partners are drawn at random, so that now and then a point meets itself."""
    inputs, labels = examples
    rng = np.random.default_rng(seed)
    left = rng.integers(0, len(labels), count)
    partners = [np.flatnonzero(labels == labels[i]) for i in left[: count // 2]]
    right = np.concatenate([[rng.choice(rows) for rows in partners], rng.integers(0, len(labels), count - count // 2)])
    return (inputs[left], inputs[right]), (labels[left] == labels[right]).astype(np.float32)


def build(seed: int = 0, fault: bool = True) -> nnw.Session:
    encoder = eqx.nn.MLP(10, 4, 24, 1, activation=jax.nn.tanh, key=jax.random.key(seed))
    objective = nnw.from_equinox(
        Siamese(encoder, guarded=not fault), contrastive, inputs=lambda b: (b[0], b[1]), targets=lambda b: b[2]
    )
    (left, right), same = pairs(data.blobs(4, classes=3).train, 5, 1600)
    return nnw.Session(objective, optax.adam(3e-3), data.batches((left, right, same), 32, seed), seed=seed)


def error(session: nnw.Session) -> float:
    (left, right), same = pairs(data.blobs(4, classes=3).test, 6, 600)
    distance = jax.vmap(session.model)(left, right)
    return float(np.mean((np.asarray(distance) < MARGIN / 2) != (same > 0)))
