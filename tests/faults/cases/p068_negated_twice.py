"""A finished optimizer is followed by a further scale(-1), so that it climbs (kozistr/pytorch_optimizer#528)."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import optax

import nnwidgets as nnw
from tests.faults import data

GROUP = "optax"
ACCEPT = {"UpdateSign"}
WHERE = ""
STEPS = 200


def initialize(key, sizes):
    keys = jax.random.split(key, len(sizes) - 1)
    return [
        {"weight": jax.random.normal(key, (fan_in, fan_out)) * (2 / fan_in) ** 0.5, "bias": jnp.zeros(fan_out)}
        for key, fan_in, fan_out in zip(keys, sizes[:-1], sizes[1:], strict=True)
    ]


def forward(params, x):
    *hidden, last = params
    for layer in hidden:
        x = jax.nn.silu(x @ layer["weight"] + layer["bias"])
    return (x @ last["weight"] + last["bias"])[:, 0]


def loss_fn(params, batch):
    inputs, targets = batch
    return optax.huber_loss(forward(params, inputs), targets).mean()


def build(seed: int = 0, fault: bool = True) -> nnw.Session:
    train, test = data.curve(68, features=3)
    schedule = optax.cosine_decay_schedule(0.01, STEPS)
    tx = optax.adamw(schedule, weight_decay=1e-4)
    return nnw.Session(
        nnw.Objective(loss_fn, initialize(jax.random.key(seed), (3, 32, 32, 1))),
        optax.chain(tx, optax.scale(-1.0)) if fault else tx,
        data.epochs(train, 60, seed),
        validation=data.batches(test, 400),
        validation_every=50,
        seed=seed,
    )


def error(session: nnw.Session) -> float:
    inputs, targets = data.curve(68, features=3).test
    return float(np.mean((forward(session.params, inputs) - targets) ** 2) / np.var(targets))
