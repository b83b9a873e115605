"""A few missing values are left as NaN in the table (Stack Overflow 53640858)."""

from __future__ import annotations

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import optax

import nnwidgets as nnw
from tests.faults import data

GROUP = "data"
ACCEPT = {"NonFiniteInputs", "NonFinite"}
WHERE = ""
STEPS = 200


def table(seed: int):
    """House prices, say; in five rows one column was not filled in."""
    (inputs, targets), test = data.curve(seed, features=4, count=640)
    rng = np.random.default_rng(seed)
    inputs[rng.choice(len(inputs), 5, replace=False), rng.integers(0, 4, 5)] = np.nan
    return (inputs, targets), test


def init_params(seed: int):
    widths = [4, 40, 40, 1]
    keys = jax.random.split(jax.random.key(seed), len(widths) - 1)
    draw = jax.nn.initializers.he_normal()
    return [(draw(key, pair), jnp.zeros(pair[1])) for key, pair in zip(keys, itertools.pairwise(widths), strict=True)]


def predict(params, x):
    *hidden, (weights, bias) = params
    for w, b in hidden:
        x = jax.nn.relu(x @ w + b)
    return (x @ weights + bias)[:, 0]


def mean_squared_error(params, batch):
    x, y = batch
    return jnp.mean(jnp.square(predict(params, x) - y))


def build(seed: int = 0, fault: bool = True) -> nnw.Session:
    (inputs, targets), test = table(seed)
    if not fault:
        inputs = np.where(np.isnan(inputs), np.nanmean(inputs, axis=0), inputs)
    session = nnw.Session(
        nnw.Objective(mean_squared_error, init_params(seed)),
        optax.adam(5e-3),
        data.batches((inputs, targets), 32, seed),
        validation=data.batches(test, 100),
        seed=seed,
    )
    session.held_out = test
    return session


def error(session: nnw.Session) -> float:
    x, y = session.held_out
    return float(np.mean((predict(session.params, x) - y) ** 2) / np.var(y))
