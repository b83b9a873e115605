"""A sigmoid output is to reach targets from 3 to 103 (Stack Overflow 48221692)."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import optax

import nnwidgets as nnw

GROUP = "head"
ACCEPT = {"OutputRange", "TargetScale"}
WHERE = ""
STEPS = 400


def parabola(x: np.ndarray, noise: float = 0.0, seed: int = 0) -> np.ndarray:
    return (x**2 + 3 + noise * np.random.default_rng(seed).normal(size=x.shape)).astype(np.float32)


def linear(params: dict[str, jax.Array], x: jax.Array) -> jax.Array:
    hidden = jax.nn.sigmoid(x / 5 @ params["w"] + params["b"])
    return hidden @ params["v"] + params["c"]


def squashed(params: dict[str, jax.Array], x: jax.Array) -> jax.Array:
    return jax.nn.sigmoid(linear(params, x))  # the fault


def build(seed: int = 0, fault: bool = True) -> nnw.Session:
    x = np.linspace(-10, 10, 201, dtype=np.float32)[:, None]
    y = parabola(x, 1.0, seed)
    between = x[:-1] + np.float32(0.05)
    mean, spread = (0, 1) if fault else (y.mean(), y.std())
    predict = squashed if fault else linear

    def loss(params: dict[str, jax.Array], batch: tuple[jax.Array, jax.Array]) -> jax.Array:
        inputs, targets = batch
        return jnp.mean(jnp.square(predict(params, inputs) - targets))

    keys = jax.random.split(jax.random.key(seed), 3)
    params = {
        "w": 2 * jax.random.normal(keys[0], (1, 10)),
        "b": jax.random.normal(keys[1], (10,)),
        "v": jax.random.normal(keys[2], (10, 1)) / jnp.sqrt(10),
        "c": jnp.zeros(1),
    }
    session = nnw.Session(
        nnw.Objective(loss, params), optax.sgd(0.05, momentum=0.9), [(x, (y - mean) / spread)], seed=seed
    )
    session.held_out = predict, between, (parabola(between) - mean) / spread
    return session


def error(session: nnw.Session) -> float:
    predict, inputs, targets = session.held_out
    return float(np.mean((predict(session.params, inputs) - targets) ** 2) / targets.var())
