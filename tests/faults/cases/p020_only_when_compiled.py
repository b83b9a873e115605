"""A variance as E[x^2] - E[x]^2 that only the compiled program rounds below zero (jax-ml/jax#19595: clean when re-run)."""

from __future__ import annotations

from typing import Any

import equinox as eqx
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
CLASSES = 3


class PatchNet(eqx.Module):
    """Mean and deviation of each patch of four pixels; a flat patch, as the sky has them, deviates by nothing."""

    hidden: eqx.nn.Linear
    out: eqx.nn.Linear
    fault: bool = eqx.field(static=True)

    def __call__(self, patches: jax.Array) -> jax.Array:
        centre = patches.mean(-1)
        if self.fault:
            spread = jnp.sqrt(jnp.mean(patches * patches, -1) - centre * centre + 1e-9)  # the fault
        else:
            spread = jnp.sqrt(jnp.mean((patches - centre[..., None]) ** 2, -1) + 1e-9)
        return self.out(jax.nn.relu(self.hidden(jnp.concatenate([centre, spread]))))


def pictures(seed: int, count: int, flat: int) -> tuple[data.Array, data.Array]:
    """Nine patches of four pixels; the class is how rough they are; every `flat`-th picture has one flat patch."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, CLASSES, count).astype(np.int32)
    centres = rng.normal(size=(count, 9, 1))
    patches = centres + np.array([0.15, 0.4, 0.8])[labels][:, None, None] * rng.normal(size=(count, 9, 4))
    if flat:
        patches[::flat, 4] = centres[::flat, 4]
    return patches.astype(np.float32), labels


def cross_entropy(logits: jax.Array, labels: jax.Array) -> jax.Array:
    return -jnp.mean(jnp.take_along_axis(jax.nn.log_softmax(logits), labels[:, None], 1))


def build(seed: int = 0, fault: bool = True) -> nnw.Session:
    first, second = jax.random.split(jax.random.key(seed))
    model = PatchNet(eqx.nn.Linear(18, 32, key=first), eqx.nn.Linear(32, CLASSES, key=second), fault)
    batches = data.batches(pictures(0, 900, flat=12), 30, seed)
    return nnw.Session(nnw.from_equinox(model, cross_entropy), optax.adam(5e-3), batches, seed=seed)


def error(session: nnw.Session) -> float:
    patches, labels = pictures(1, 400, flat=0)
    model: Any = session.model
    return float(np.mean(np.argmax(np.asarray(jax.vmap(model)(patches)), -1) != labels))
