"""All parallel heads are made from one key and stay the same unit for ever (netket/netket#241, google/flax#2157, PR#2665)."""

from __future__ import annotations

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax

import nnwidgets as nnw
from tests.faults import data

GROUP = "state"
ACCEPT = {"IdenticalLayers"}
WHERE = "heads"
STEPS = 300


class Committee(eqx.Module):
    """Eight small heads, whose scores are added up."""

    heads: list[eqx.nn.MLP]

    def __init__(self, key: jax.Array, fault: bool) -> None:
        keys = [key] * 8 if fault else jax.random.split(key, 8)
        self.heads = [eqx.nn.MLP(2, "scalar", 2, 1, activation=jnp.tanh, key=key) for key in keys]

    def __call__(self, x: jax.Array) -> jax.Array:
        return sum((head(x) for head in self.heads), start=jnp.zeros(())) / 8**0.5


def logistic(scores: jax.Array, labels: jax.Array) -> jax.Array:
    return optax.sigmoid_binary_cross_entropy(scores, labels).mean()


def binary(part: tuple[data.Array, data.Array]) -> tuple[data.Array, data.Array]:
    return part[0], part[1].astype(np.float32)


def build(seed: int = 0, fault: bool = True) -> nnw.Session:
    split = data.rings(53)
    return nnw.Session(
        nnw.from_equinox(Committee(jax.random.key(seed), fault), logistic),
        optax.adam(0.03),
        data.batches(binary(split.train), 50, seed),
        validation=[binary(split.test)],
        seed=seed,
    )


def error(session: nnw.Session) -> float:
    inputs, labels = data.rings(53).test
    model: Any = session.model
    return float(np.mean((np.asarray(jax.vmap(model)(inputs)) > 0) != labels))
