"""The last layer of an autoencoder has a ReLU, but half of what it is to give back is negative (Stack Overflow 60801900)."""

from __future__ import annotations

from collections.abc import Callable

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax

import nnwidgets as nnw
from tests.faults import data

GROUP = "head"
ACCEPT = {"OutputRange"}
WHERE = "layers/1/layers/1"
STEPS = 300


def reconstruction(outputs: jax.Array, targets: jax.Array) -> jax.Array:
    return jnp.mean(jnp.sum((outputs - targets) ** 2, axis=-1)) / outputs.shape[-1]


def autoencoder(last: Callable, key: jax.Array) -> eqx.nn.Sequential:
    to_code, from_code = jax.random.split(key)
    return eqx.nn.Sequential(
        [
            eqx.nn.MLP(16, 4, 48, 1, key=to_code),
            eqx.nn.MLP(4, 16, 48, 1, final_activation=last, key=from_code),
        ]
    )


def waves(seed: int) -> np.ndarray:
    """Sums of two waves of any phase, which four numbers describe; between about -1.9 and 1.9."""
    rng = np.random.default_rng(seed)
    places = np.linspace(0, 2 * np.pi, 16, endpoint=False)
    phases, heights = rng.uniform(0, 2 * np.pi, (2, 2400, 1)), rng.uniform(0.5, 0.95, (2, 2400, 1))
    return (heights[0] * np.sin(places + phases[0]) + heights[1] * np.sin(2 * places + phases[1])).astype(np.float32)


def build(seed: int = 0, fault: bool = True) -> nnw.Session:
    rows = waves(seed)
    train, test = rows[:2000], rows[2000:]
    last = jax.nn.relu if fault else lambda x: x
    session = nnw.Session(
        nnw.from_equinox(
            autoencoder(last, jax.random.key(seed)), reconstruction, inputs=lambda rows: rows, targets=lambda rows: rows
        ),
        optax.adam(3e-3),
        [rows for (rows,) in data.batches((train,), 50, seed)],
        validation=[test],
        seed=seed,
    )
    session.held_out = test
    return session


def error(session: nnw.Session) -> float:
    rows = session.held_out
    return float(np.mean((jax.vmap(session.model)(rows) - rows) ** 2) / rows.var())
