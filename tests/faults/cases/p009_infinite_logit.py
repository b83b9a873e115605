"""Cross-entropy of one-hot targets with a logit of -inf, 0 times -inf, in a focal loss (google-deepmind/optax#896)."""

from __future__ import annotations

from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import optax

import nnwidgets as nnw
from tests.faults import data

GROUP = "nan"
ACCEPT = {"NonFinite", "AttentionMask", "UnguardedLog"}
WHERE = ""
STEPS = 200
CHOICES = 5


class Chooser(nn.Module):
    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        x = nn.relu(nn.Dense(32)(x))
        return nn.Dense(CHOICES)(x)


def offers(examples: tuple[Any, Any], seed: int, share: float) -> tuple[data.Array, ...]:
    """Customers, which products are in stock (for the most part all), and the one that is bought, as a one-hot row."""
    customers, bought = examples
    rng = np.random.default_rng(seed)
    stock = np.ones((len(bought), CHOICES), bool)
    rows = np.flatnonzero(rng.uniform(size=len(bought)) < share)
    stock[rows, (bought[rows] + rng.integers(1, CHOICES, len(rows))) % CHOICES] = False
    return customers, stock, data.one_hot(bought, CHOICES)


def build(seed: int = 0, fault: bool = True) -> nnw.Session:
    model = Chooser()
    out_of_stock = -jnp.inf if fault else -1e9

    def loss_fn(params: Any, batch: Any) -> jax.Array:
        customers, stock, bought = batch
        logits = model.apply({"params": params}, customers)
        surprise = optax.softmax_cross_entropy(jnp.where(stock, logits, out_of_stock), bought)  # the fault
        return jnp.mean((1 - jnp.exp(-surprise)) ** 2 * surprise)

    split = data.blobs(9, CHOICES, 12)
    variables: Any = model.init(jax.random.key(seed), split.train[0][:1])
    batches = data.batches(offers(split.train, 0, 0.01), 24, seed)
    return nnw.Session(nnw.Objective(loss_fn, variables["params"]), optax.adamw(4e-3), batches, seed=seed)


def error(session: nnw.Session) -> float:
    customers, _, bought = offers(data.blobs(9, CHOICES, 12).test, 1, 0)
    logits = Chooser().apply({"params": session.params}, customers)
    return float(np.mean(np.argmax(np.asarray(logits), -1) != np.argmax(bought, -1)))
