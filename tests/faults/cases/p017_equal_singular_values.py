"""The gradient through an SVD whose singular values are equal is NaN (jax-ml/jax#8732, #2311, #669, #10527)."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
from flax import nnx

import nnwidgets as nnw
from tests.faults import data

GROUP = "nan"
ACCEPT = {"NonFinite"}
WHERE = ""
STEPS = 200


class Rotations(nnx.Module):
    """Two square layers that start as the identity, as residual mixers do, and are kept near to rotations."""

    def __init__(self, rngs: nnx.Rngs) -> None:
        self.enter = nnx.Linear(10, 12, rngs=rngs)
        self.turns = nnx.List([nnx.Linear(12, 12, kernel_init=_identity, rngs=rngs) for _ in range(2)])
        self.leave = nnx.Linear(12, 4, rngs=rngs)

    def __call__(self, x: jax.Array) -> tuple[jax.Array, list[jax.Array]]:
        x = self.enter(x)
        for turn in self.turns:
            x = nnx.tanh(turn(x))
        return self.leave(x), [turn.kernel[...] for turn in self.turns]


def _identity(key: jax.Array, shape: Any, dtype: Any = jnp.float32, **_: Any) -> jax.Array:
    return jnp.eye(*shape, dtype=dtype)


def nearest_rotation(w: jax.Array) -> jax.Array:
    u, _, vt = jnp.linalg.svd(w)  # the fault
    return jnp.sum((w - u @ vt) ** 2)


def products(w: jax.Array) -> jax.Array:
    return jnp.sum((w.T @ w - jnp.eye(len(w))) ** 2)


def build(seed: int = 0, fault: bool = True) -> nnw.Session:
    distance = nearest_rotation if fault else products

    def loss(outputs: Any, labels: jax.Array) -> jax.Array:
        logits, kernels = outputs
        data_term = optax.softmax_cross_entropy_with_integer_labels(logits, labels).mean()
        return data_term + 0.01 * sum(distance(kernel) for kernel in kernels)

    objective = nnw.from_nnx(Rotations(nnx.Rngs(seed)), loss)
    return nnw.Session(objective, optax.adam(3e-3), data.batches(data.blobs(17).train, 32, seed), seed=seed)


def error(session: nnw.Session) -> float:
    inputs, labels = data.blobs(17).test
    model: Any = session.model
    return float(np.mean(np.argmax(np.asarray(model(inputs)[0]), -1) != labels))
