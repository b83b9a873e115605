"""Tokens beyond the embedding table all read its last row, without a word (jax-ml/jax#5760, #3493)."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax

import nnwidgets as nnw
from tests.faults import data

GROUP = "gradients"
ACCEPT = {"IndexOutOfRange"}
WHERE = "table"
STEPS = 200
WORDS, SPECIAL = 27, 3


def init(key: jax.Array, rows: int) -> dict[str, jax.Array]:
    first, second = jax.random.split(key)
    return {
        "table": 0.5 * jax.random.normal(first, (rows, 16)),
        "kernel": jax.random.normal(second, (16, SPECIAL)) / 4,
        "bias": jnp.zeros(SPECIAL),
    }


def classify(params: Any, tokens: Any) -> jax.Array:
    words = params["table"][tokens]  # the fault
    return jnp.tanh(words).sum(1) @ params["kernel"] + params["bias"]


def numbered(part: tuple[Any, Any]) -> tuple[Any, Any]:
    """The special tokens come behind the words, with the highest numbers."""
    tokens, labels = part
    return (WORDS + SPECIAL - 1 - tokens).astype(np.int32), labels


def loss_fn(params: Any, batch: Any) -> jax.Array:
    tokens, labels = batch
    logp = jax.nn.log_softmax(classify(params, tokens))
    return -jnp.mean(logp[jnp.arange(len(labels)), labels])


def build(seed: int = 0, fault: bool = True) -> nnw.Session:
    params = init(jax.random.key(seed), WORDS if fault else WORDS + SPECIAL)
    split = data.sentences(39, WORDS + SPECIAL)
    batches = data.batches(numbered(split.train), 30, seed)
    validation = [numbered(split.test)]
    return nnw.Session(nnw.Objective(loss_fn, params), optax.adam(0.01), batches, validation=validation, seed=seed)


def error(session: nnw.Session) -> float:
    tokens, labels = numbered(data.sentences(39, WORDS + SPECIAL).test)
    return float(np.mean(np.argmax(classify(session.params, jnp.asarray(tokens)), -1) != labels))
