"""ReLU, max and abs exactly at their corners, where finite differences say nothing: harmless (the CS231n notes)."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax

import nnwidgets as nnw
from tests.faults import data

GROUP = "gradients"
ACCEPT: set[str] = set()
HARMLESS = True
WHERE = ""
STEPS = 200


def init(key: jax.Array) -> dict[str, jax.Array]:
    first, second, third = jax.random.split(key, 3)
    return {
        "words": jax.random.normal(first, (6, 24)) * (2 / 6) ** 0.5,
        "hidden": jax.random.normal(second, (24, 24)) * (2 / 24) ** 0.5,
        "out": jax.random.normal(third, (24,)) / 24**0.5,
    }


def score(params: Any, bags: Any, fault: bool) -> jax.Array:
    """Bags of items; missing items are rows of zeros, which ReLU and the maximum meet at their corners."""
    if fault:
        items = jnp.maximum(bags @ params["words"], 0).max(1)
        return jax.nn.relu(items @ params["hidden"]) @ params["out"]
    items = jax.nn.logsumexp(4 * jax.nn.softplus(bags @ params["words"]), axis=1) / 4
    return jax.nn.softplus(items @ params["hidden"]) @ params["out"]


def bags_of_items(seed: int, count: int) -> tuple[data.Array, data.Array]:
    """Up to four items of six features; the target is what the best item is worth, rounded, mean about 0."""
    rng = np.random.default_rng(seed)
    bags = rng.normal(size=(count, 4, 6)).astype(np.float32)
    bags[rng.uniform(size=(count, 4)) < 0.25] = 0
    worth = (bags @ np.array([0.6, -0.4, 0.5, 0.2, -0.3, 0.4])).max(1) + 0.3 * bags.mean(1).sum(1)
    return bags, (worth - 0.8).astype(np.float32)


def build(seed: int = 0, fault: bool = True) -> nnw.Session:
    def absolute(params: Any, batch: Any) -> Any:
        bags, worth = batch
        wrong = score(params, bags, fault) - worth
        loss = jnp.abs(wrong) if fault else jnp.sqrt(wrong**2 + 1e-4)
        return loss.mean(), {"metrics": {"squared": jnp.mean(wrong**2)}}

    objective = nnw.Objective(absolute, init(jax.random.key(seed)))
    return nnw.Session(objective, optax.adam(3e-3), data.batches(bags_of_items(0, 1000), 40, seed), seed=seed)


def error(session: nnw.Session) -> float:
    test = bags_of_items(1, 400)
    _, (_, aux) = session.objective(session.params, session.state, test, None, False)
    return float(aux["metrics"]["squared"] / test[1].var())
