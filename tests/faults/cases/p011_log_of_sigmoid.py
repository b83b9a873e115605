"""log(1 - sigmoid(z)) by hand: infinite once the classifier is sure (keras-team/keras-core#196, FluxML/Flux.jl#914)."""

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


def by_hand(logits: jax.Array, labels: jax.Array) -> jax.Array:
    p = jax.nn.sigmoid(logits[:, 0])
    return -jnp.mean(labels * jnp.log(p) + (1 - labels) * jnp.log(1 - p))  # the fault


def from_logits(logits: jax.Array, labels: jax.Array) -> jax.Array:
    return optax.sigmoid_binary_cross_entropy(logits[:, 0], labels).mean()


def examples(part: tuple[data.Array, data.Array]) -> tuple[data.Array, data.Array]:
    return part[0], part[1].astype(np.float32)


def build(seed: int = 0, fault: bool = True) -> nnw.Session:
    model = eqx.nn.MLP(20, 1, 48, 1, key=jax.random.key(seed))
    objective = nnw.from_equinox(model, by_hand if fault else from_logits)
    split = data.blobs(11, 2, 20, spread=0.8)
    validation = [examples(split.test)]
    return nnw.Session(
        objective, optax.adam(0.01), data.batches(examples(split.train), 32, seed), validation=validation, seed=seed
    )


def error(session: nnw.Session) -> float:
    inputs, labels = examples(data.blobs(11, 2, 20, spread=0.8).test)
    model: Any = session.model
    return float(np.mean((np.asarray(jax.vmap(model)(inputs))[:, 0] > 0) != labels))
