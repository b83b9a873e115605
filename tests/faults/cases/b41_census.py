"""A census with columns of very different sizes, codes among them, is put in unscaled (Stack Overflow 47724077)."""

from __future__ import annotations

import jax.numpy as jnp
import numpy as np
import optax
from flax import nnx

import nnwidgets as nnw
from tests.faults import data

GROUP = "data"
ACCEPT = {"InputScale"}
WHERE = ""
STEPS = 200
CODES = (9, 16, 7, 15, 6, 5, 2, 41)


def census(seed: int, count: int):
    """Age, weight in the survey, schooling, gain, loss, hours and eight codes; a quarter earns much."""
    rng = np.random.default_rng(seed)
    columns = [
        rng.uniform(17, 90, count),
        rng.uniform(1e4, 5e5, count),
        rng.integers(1, 17, count),
        rng.uniform(1e3, 2e4, count) * (rng.uniform(size=count) < 0.1),
        rng.uniform(1e3, 3e3, count) * (rng.uniform(size=count) < 0.1),
        rng.normal(40, 12, count).clip(1, 99),
        *(rng.integers(0, codes, count) for codes in CODES),
    ]
    table = np.stack(columns, axis=1).astype(np.float32)
    scaled = (table - table.mean(0)) / table.std(0)
    score = scaled @ np.array([0.6, 0, 1, 0.7, 0.3, 0.6, 0, 0.3, -0.6, 0, -0.4, 0, 0.5, 0]) - 0.4 * scaled[:, 0] ** 2
    return table, (score > np.quantile(score, 0.76)).astype(np.int32)


def loss(logits, labels):
    return jnp.mean(optax.softmax_cross_entropy_with_integer_labels(logits, labels))


def build(seed: int = 0, fault: bool = True) -> nnw.Session:
    table, labels = census(seed, 2000)
    if not fault:
        table = (table - table[:1500].mean(0)) / table[:1500].std(0)
    test = table[1500:], labels[1500:]

    rngs = nnx.Rngs(seed)
    model = nnx.Sequential(nnx.Linear(14, 21, rngs=rngs), nnx.relu, nnx.Linear(21, 2, rngs=rngs))
    session = nnw.Session(
        nnw.from_nnx(model, loss),
        optax.adam(0.01),
        data.batches((table[:1500], labels[:1500]), 50, seed),
        validation=data.batches(test, 250),
        seed=seed,
    )
    session.held_out = test
    return session


def error(session: nnw.Session) -> float:
    table, labels = session.held_out
    return float(np.mean(np.argmax(session.model(table), -1) != labels))
