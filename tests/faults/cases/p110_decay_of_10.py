"""AdamW with a weight decay of 10 draws all weights to zero faster than they learn (no public source)."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import optax

import nnwidgets as nnw
from tests.faults import data

GROUP = "steps"
ACCEPT = {"StrongDecay", "PenaltyDominates"}
WHERE = ""
STEPS = 300


def glorot(key, shape):
    return jax.nn.initializers.glorot_uniform()(key, shape)


def init(key):
    keys = jax.random.split(key, 3)
    return {
        "a": {"kernel": glorot(keys[0], (3, 48)), "bias": jnp.zeros(48)},
        "b": {"kernel": glorot(keys[1], (48, 48)), "bias": jnp.zeros(48)},
        "c": {"kernel": glorot(keys[2], (48, 1)), "bias": jnp.zeros(1)},
    }


def score(params, x):
    for name in ("a", "b"):
        x = jax.nn.elu(x @ params[name]["kernel"] + params[name]["bias"])
    return (x @ params["c"]["kernel"] + params["c"]["bias"])[..., 0]


def loss_fn(params, batch):
    points, labels = batch
    scores = score(params, points)
    loss = jnp.mean(jax.nn.softplus(scores) - labels * scores)
    return loss, {"outputs": scores, "targets": labels, "metrics": {"accuracy": jnp.mean((scores > 0) == labels)}}


def build(seed: int = 0, fault: bool = True) -> nnw.Session:
    train, test = ((points, labels.astype(np.float32)) for points, labels in data.rings(110, features=3))
    return nnw.Session(
        nnw.Objective(loss_fn, init(jax.random.key(seed))),
        optax.adamw(5e-3, weight_decay=10.0 if fault else 0.01),
        data.epochs(train, 50, seed),
        validation=data.batches(test, 100),
        seed=seed,
    )


def error(session: nnw.Session) -> float:
    points, labels = data.rings(110, features=3).test
    return float(np.mean((np.asarray(score(session.params, points)) > 0) != labels))
