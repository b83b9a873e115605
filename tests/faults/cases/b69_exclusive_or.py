"""Exclusive or with the mean absolute error and SGD at 0.05 with little momentum (Stack Overflow 31556268)."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import optax

import nnwidgets as nnw

GROUP = "steps"
ACCEPT = {"LossForTargets", "LearningRateTooLow", "StillImproving", "Plateau"}
WHERE = ""
STEPS = 300
INPUTS = np.array([[0, 0], [0, 1], [1, 0], [1, 1]], np.float32)
TARGETS = np.array([0, 1, 1, 0], np.float32)


def output(params, x):
    hidden = jax.nn.sigmoid(x @ params["hidden"]["w"] + params["hidden"]["b"])
    return (hidden @ params["out"]["w"] + params["out"]["b"])[:, 0]


def absolute(params, batch):
    x, y = batch
    return jnp.abs(jax.nn.sigmoid(output(params, x)) - y).mean()  # the fault


def cross_entropy(params, batch):
    x, y = batch
    return optax.sigmoid_binary_cross_entropy(output(params, x), y).mean()


def build(seed: int = 0, fault: bool = True) -> nnw.Session:
    hidden, out = jax.random.split(jax.random.key(seed))
    draw = jax.nn.initializers.glorot_normal()
    params = {
        "hidden": {"w": draw(hidden, (2, 4)), "b": jnp.zeros(4)},
        "out": {"w": draw(out, (4, 1)), "b": jnp.zeros(1)},
    }
    objective = nnw.Objective(absolute if fault else cross_entropy, params)
    tx = optax.sgd(0.05, momentum=0.11) if fault else optax.adam(0.1)
    return nnw.Session(objective, tx, [(INPUTS, TARGETS)], seed=seed)


def error(session: nnw.Session) -> float:
    """On the four rows that there are."""
    p = jax.nn.sigmoid(output(session.params, INPUTS))
    return float(np.mean((p - TARGETS) ** 2) / np.var(TARGETS))
