"""A gradient divided by its own norm: once it is exactly zero, the update is 0/0 (google-deepmind/optax#1752)."""

from __future__ import annotations

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


def unit_gradient(smallest: float) -> optax.GradientTransformation:
    """Gradients of length one, all tensors together."""

    def update(grads: Any, state: Any, params: Any = None) -> Any:
        norm = jnp.maximum(optax.tree.norm(grads), smallest)
        return jax.tree.map(lambda leaf: leaf / norm, grads), state

    return optax.GradientTransformation(lambda params: optax.EmptyState(), update)


def hinge(params: Any, batch: Any) -> jax.Array:
    inputs, labels = batch
    margin = (2 * labels - 1) * (inputs @ params["w"] + params["b"])
    return jnp.mean(jnp.maximum(1 - margin, 0))


def build(seed: int = 0, fault: bool = True) -> nnw.Session:
    params = {"w": 0.1 * jax.random.normal(jax.random.key(seed), (30,)), "b": jnp.zeros(())}
    tx = optax.chain(unit_gradient(0.0 if fault else 1e-6), optax.sgd(0.03))
    batches = data.batches(data.blobs(23, 2, 30, spread=0.8).train, 15, seed)
    return nnw.Session(nnw.Objective(hinge, params), tx, batches, seed=seed)


def error(session: nnw.Session) -> float:
    inputs, labels = data.blobs(23, 2, 30, spread=0.8).test
    return float(np.mean((np.asarray(inputs @ session.params["w"] + session.params["b"]) > 0) != labels))
