"""Real features between 0 and 1 are looked up in an embedding as if they were tokens, and all are 0 (SO 61274792)."""

from __future__ import annotations

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import optax

import nnwidgets as nnw
from tests.faults import data

GROUP = "data"
ACCEPT = {"InputIgnored", "ConstantInputs", "NonDifferentiable"}
WHERE = ""
STEPS = 200


class Lookup(nn.Module):
    @nn.compact
    def __call__(self, x):
        x = nn.Embed(100, 16)(x.astype(jnp.int32))  # the fault
        x = nn.relu(nn.Dense(32)(x.reshape(len(x), -1)))
        return nn.Dense(1)(x)[:, 0]


class Projection(nn.Module):
    @nn.compact
    def __call__(self, x):
        x = nn.relu(nn.Dense(32)(nn.Dense(16)(x)))
        return nn.Dense(1)(x)[:, 0]


def loss(logits, labels):
    return optax.sigmoid_binary_cross_entropy(logits, labels).mean()


def features(seed: int):
    """Clusters, scaled into [0, 1)."""
    splits = data.blobs(seed, classes=2, features=12, count=640)
    return [(0.999 / (1 + np.exp(-x)), labels.astype(np.float32)) for x, labels in splits]


def build(seed: int = 0, fault: bool = True) -> nnw.Session:
    train, test = features(seed)
    model = Lookup() if fault else Projection()
    session = nnw.Session(
        nnw.from_linen(model, model.init(jax.random.key(seed), train[0][:1]), loss),
        optax.adam(3e-3),
        data.batches(train, 32, seed),
        validation=data.batches(test, 100),
        seed=seed,
    )
    session.held_out = test
    return session


def error(session: nnw.Session) -> float:
    x, labels = session.held_out
    model = Lookup() if "Embed_0" in session.params else Projection()
    return float(np.mean((np.asarray(model.apply(session.model, x)) > 0) != labels))
