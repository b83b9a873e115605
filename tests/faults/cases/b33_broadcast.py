"""Predictions (n, 1) minus targets (n,) are all pairs, and the best answer is the mean (TDC, a synthetic program)."""

from __future__ import annotations

import flax.linen as linen
import jax
import jax.numpy as jnp
import numpy as np
import optax

import nnwidgets as nnw
from tests.faults import data

GROUP = "head"
ACCEPT = {"SilentBroadcast"}
WHERE = ""
STEPS = 200


class FuelUse(linen.Module):
    @linen.compact
    def __call__(self, car: jax.Array) -> jax.Array:
        x = linen.relu(linen.Dense(64)(car))
        x = linen.relu(linen.Dense(64)(x))
        return linen.Dense(1)(x)


def spread_out(predicted: jax.Array, wanted: jax.Array) -> jax.Array:
    return jnp.mean((predicted - wanted) ** 2)  # the fault


def in_line(predicted: jax.Array, wanted: jax.Array) -> jax.Array:
    return jnp.mean((predicted.squeeze(-1) - wanted) ** 2)


def cars(seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Nine standardised features; the use of fuel is a smooth function of them."""
    rng = np.random.default_rng(seed)
    features = rng.normal(size=(1400, 9)).astype(np.float32)
    use = features @ rng.normal(size=9) + np.abs(features @ rng.normal(size=9)) + 0.3 * rng.normal(size=1400)
    return features, ((use - use.mean()) / use.std()).astype(np.float32)


def build(seed: int = 0, fault: bool = True) -> nnw.Session:
    features, use = cars(seed)
    model = FuelUse()
    session = nnw.Session(
        nnw.from_linen(model, model.init(jax.random.key(seed), features[:1]), spread_out if fault else in_line),
        optax.rmsprop(1e-3),
        data.batches((features[:1000], use[:1000]), 40, seed),
        validation=[(features[1000:], use[1000:])],
        seed=seed,
    )
    session.held_out = model, features[1000:], use[1000:]
    return session


def error(session: nnw.Session) -> float:
    model, features, use = session.held_out
    return float(np.mean((model.apply(session.model, features)[:, 0] - use) ** 2) / use.var())
