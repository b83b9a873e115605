"""Entropy p log p, guarded forward only: where a probability is 0 the gradient is NaN (jax-ml/jax#17070)."""

from __future__ import annotations

from typing import Any

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
ACTIONS = 6


def init(key: jax.Array, sizes: tuple[int, ...]) -> list[dict[str, jax.Array]]:
    pairs = zip(sizes, sizes[1:], jax.random.split(key, len(sizes) - 1), strict=False)
    return [{"w": jax.random.normal(k, (a, b)) / a**0.5, "b": jnp.zeros(b)} for a, b, k in pairs]


def policy(params: Any, observation: Any, allowed: Any) -> jax.Array:
    *hidden, last = params
    for layer in hidden:
        observation = jnp.tanh(observation @ layer["w"] + layer["b"])
    return jnp.where(allowed, observation @ last["w"] + last["b"], -1e9)


def entropy_of(logits: jax.Array, fault: bool) -> jax.Array:
    if fault:
        p = jax.nn.softmax(logits)
        return -jnp.where(p > 0, p * jnp.log(p), 0).sum(-1)  # the fault
    return -(jax.nn.softmax(logits) * jax.nn.log_softmax(logits)).sum(-1)


def games(examples: tuple[Any, Any], seed: int) -> tuple[data.Array, ...]:
    """Situations, which moves are allowed in them, and the expert's move."""
    situations, moves = examples
    allowed = np.random.default_rng(seed).uniform(size=(len(moves), ACTIONS)) < 0.8
    allowed[np.arange(len(moves)), moves] = True
    return situations, allowed, moves


def build(seed: int = 0, fault: bool = True) -> nnw.Session:
    def imitate(params: Any, batch: Any) -> Any:
        situations, allowed, moves = batch
        logits = policy(params, situations, allowed)
        entropy = entropy_of(logits, fault).mean()
        imitation = optax.softmax_cross_entropy_with_integer_labels(logits, moves).mean()
        return imitation - 0.01 * entropy, {"metrics": {"entropy": entropy}}

    objective = nnw.Objective(imitate, init(jax.random.key(seed), (8, 32, ACTIONS)))
    batches = data.batches(games(data.blobs(8, ACTIONS, 8).train, 0), 40, seed)
    return nnw.Session(objective, optax.adam(5e-3), batches, seed=seed)


def error(session: nnw.Session) -> float:
    situations, allowed, moves = games(data.blobs(8, ACTIONS, 8).test, 1)
    return float(np.mean(np.argmax(policy(session.params, situations, allowed), -1) != moves))
