"""`stop_gradient` round the prediction instead of the bootstrapped target (no public source found)."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax

import nnwidgets as nnw
from tests.faults import data

GROUP = "gradients"
ACCEPT = {"StoppedGradient", "ZeroGradient", "DisconnectedParameters", "LossIgnoresParameters", "WrongGradient"}
WHERE = ""
STEPS = 200
DISCOUNT = 0.6


def init(key: jax.Array) -> list[tuple[jax.Array, jax.Array]]:
    sizes = (4, 32, 32, 1)
    keys = jax.random.split(key, 3)
    return [
        (jax.random.normal(k, (a, b)) * (1.5 / a) ** 0.5, jnp.zeros(b))
        for k, a, b in zip(keys, sizes, sizes[1:], strict=False)
    ]


def value(params: Any, states: Any) -> jax.Array:
    for kernel, bias in params[:-1]:
        states = jnp.tanh(states @ kernel + bias)
    return (states @ params[-1][0] + params[-1][1])[:, 0]


def walks(seed: int, count: int) -> tuple[Any, Any, Any]:
    """States, rewards and next states: the next state is half the old one, the reward a smooth function of it."""
    states = np.random.default_rng(seed).normal(size=(count, 4)).astype(np.float32)
    return states, _reward(states), 0.5 * states


def _reward(states: Any) -> Any:
    return np.sin(1.5 * states[:, 0]) + np.tanh(states[:, 1] - states[:, 2])


def build(seed: int = 0, fault: bool = True) -> nnw.Session:
    """The target network is state: a slow copy of the parameters."""

    def loss_fn(params: Any, batch: Any, *, state: Any) -> Any:
        states, rewards, after = batch
        if fault:
            predicted = jax.lax.stop_gradient(value(params, states))  # the fault
            target = rewards + DISCOUNT * value(state, after)
        else:
            predicted = value(params, states)
            target = jax.lax.stop_gradient(rewards + DISCOUNT * value(state, after))
        slow = optax.incremental_update(jax.lax.stop_gradient(params), state, 0.1)
        return jnp.mean((predicted - target) ** 2), {"state": slow}

    params = init(jax.random.key(seed))
    objective = nnw.Objective(loss_fn, params, state=params)
    return nnw.Session(objective, optax.adam(3e-3), data.batches(walks(0, 960), 48, seed), seed=seed)


def error(session: nnw.Session) -> float:
    states, _, _ = walks(1, 400)
    true = sum(DISCOUNT**step * _reward(0.5**step * states) for step in range(30))
    predicted = np.asarray(value(session.params, states))
    return float(np.mean((predicted - true) ** 2) / np.var(true))
