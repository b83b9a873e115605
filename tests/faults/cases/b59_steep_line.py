"""A straight line over x from -8 to 8, whose curvature times the learning rate is far above 2 (SO 34743847)."""

from __future__ import annotations

import jax.numpy as jnp
import numpy as np
import optax

import nnwidgets as nnw

GROUP = "steps"
ACCEPT = {"LearningRateTooHigh", "Divergence", "NonFinite", "ExplodingGradient"}
WHERE = ""
STEPS = 200


def line(seed: int, count: int):
    rng = np.random.default_rng(seed)
    x = rng.uniform(-8, 8, count).astype(np.float32)
    return x, (0.25 * x - 0.5 + 0.1 * rng.normal(size=count)).astype(np.float32)


def loss_fn(params, batch):
    x, y = batch
    predicted = params["slope"] * x + params["intercept"]
    return jnp.mean((predicted - y) ** 2)


def build(seed: int = 0, fault: bool = True) -> nnw.Session:
    x, y = line(seed, 400)
    batches = [(x[i : i + 25], y[i : i + 25]) for i in range(0, 400, 25)]
    params = {"slope": jnp.float32(0), "intercept": jnp.float32(0)}
    session = nnw.Session(nnw.Objective(loss_fn, params), optax.sgd(0.1 if fault else 0.01), batches, seed=seed)
    session.held_out = line(seed + 100, 200)
    return session


def error(session: nnw.Session) -> float:
    x, y = session.held_out
    with np.errstate(over="ignore", invalid="ignore"):
        residuals = np.asarray(session.params["slope"]) * x + np.asarray(session.params["intercept"]) - y
        return float(np.mean(residuals**2) / np.var(y))
