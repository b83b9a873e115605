"""Irises in raw centimetres, four hidden units, sigmoids into categorical cross-entropy (Stack Overflow 59278771)."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import optax

import nnwidgets as nnw
from tests.faults import data

GROUP = "data"
ACCEPT = {"SigmoidForExclusiveClasses", "InputScale"}
WHERE = ""
STEPS = 300
# what is known of the three species: the mean and the spread of sepal length and width, petal length and width
MEANS = np.array([[5.0, 3.4, 1.5, 0.25], [5.9, 2.8, 4.3, 1.3], [6.6, 3.0, 5.5, 2.0]])
SPREADS = np.array([[0.35, 0.38, 0.17, 0.11], [0.52, 0.31, 0.47, 0.2], [0.64, 0.32, 0.55, 0.27]])


def flowers(seed: int, count: int):
    rng = np.random.default_rng(seed)
    species = rng.permutation(np.arange(count) % 3)
    return (MEANS[species] + SPREADS[species] * rng.normal(size=(count, 4))).astype(np.float32), species


def initial(key, units):
    hidden, output = jax.random.split(key)
    return {
        "hidden": {"kernel": 0.05 * jax.random.normal(hidden, (4, units)), "bias": jnp.zeros(units)},
        "output": {"kernel": 0.05 * jax.random.normal(output, (units, 3)), "bias": jnp.zeros(3)},
    }


def glorot(key, units):
    hidden, output = jax.random.split(key)
    draw = jax.nn.initializers.glorot_uniform()
    return {
        "hidden": {"kernel": draw(hidden, (4, units)), "bias": jnp.zeros(units)},
        "output": {"kernel": draw(output, (units, 3)), "bias": jnp.zeros(3)},
    }


def network(params, x):
    x = jax.nn.relu(x @ params["hidden"]["kernel"] + params["hidden"]["bias"])
    return x @ params["output"]["kernel"] + params["output"]["bias"]


def with_sigmoid(params, batch):
    flower, species = batch
    p = jax.nn.sigmoid(network(params, flower))
    return -jnp.mean(jnp.sum(species * jnp.log(p + 1e-7), axis=-1))  # the fault


def with_softmax(params, batch):
    flower, species = batch
    return -jnp.mean(jnp.sum(species * jax.nn.log_softmax(network(params, flower)), axis=-1))


def build(seed: int = 0, fault: bool = True) -> nnw.Session:
    table, species = flowers(seed, 150)
    test_table, test_species = flowers(seed + 100, 300)
    if not fault:
        low, high = table.min(0), table.max(0)
        table, test_table = (table - low) / (high - low), (test_table - low) / (high - low)
    key = jax.random.key(seed)
    objective = nnw.Objective(with_sigmoid, initial(key, 4)) if fault else nnw.Objective(with_softmax, glorot(key, 8))
    batches = data.batches((table, data.one_hot(species, 3)), 15, seed)
    session = nnw.Session(objective, optax.adam(0.01), batches, seed=seed)
    session.held_out = test_table, test_species
    return session


def error(session: nnw.Session) -> float:
    table, species = session.held_out
    return float(np.mean(np.argmax(network(session.params, table), -1) != species))
