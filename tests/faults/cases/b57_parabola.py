"""A network on 50 rows of a parabola, with a learning rate that is too high for it (Stack Overflow 48934338)."""

from __future__ import annotations

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax

import nnwidgets as nnw

GROUP = "steps"
ACCEPT = {"LearningRateTooHigh", "Divergence", "NonFinite", "DeadUnits", "ExplodingGradient", "Oscillation"}
WHERE = ""
STEPS = 300


def parabola(seed: int, count: int):
    """y = 5 x^2 and noise, for x up to 5; both standardised."""
    rng = np.random.default_rng(seed)
    x = rng.uniform(0, 5, count)
    y = 5 * x**2 + rng.normal(size=count)
    return ((x - 2.5) / 1.44)[:, None].astype(np.float32), ((y - 41.7) / 37.3)[:, None].astype(np.float32)


def mean_squared_error(predictions, targets):
    return jnp.mean((predictions - targets) ** 2)


def build(seed: int = 0, fault: bool = True) -> nnw.Session:
    first, second, third = jax.random.split(jax.random.key(seed), 3)
    model = eqx.nn.Sequential(
        [
            eqx.nn.Linear(1, 50, key=first),
            eqx.nn.Lambda(jax.nn.relu),
            eqx.nn.Linear(50, 30, key=second),
            eqx.nn.Lambda(jax.nn.relu),
            eqx.nn.Linear(30, 1, key=third),
        ]
    )
    session = nnw.Session(
        nnw.from_equinox(model, mean_squared_error),
        optax.sgd(1.0 if fault else 0.1),
        [parabola(seed, 50)],
        seed=seed,
    )
    session.held_out = parabola(seed + 100, 300)
    return session


def error(session: nnw.Session) -> float:
    x, y = session.held_out
    return float(np.mean((jax.vmap(session.model)(x) - y) ** 2) / np.var(y))
