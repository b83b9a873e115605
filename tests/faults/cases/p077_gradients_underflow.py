"""A loss with a small weight sends gradients below float16's smallest number, without loss scaling (pytorch#26512)."""

from __future__ import annotations

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import optax

import nnwidgets as nnw
from tests.faults import data

GROUP = "precision"
ACCEPT = {"LowPrecision", "ZeroGradient", "VanishingGradient"}
WHERE = ""
STEPS = 200
WEIGHT = 1e-4


class Autoencoder(nn.Module):
    @nn.compact
    def __call__(self, images):
        x = images.reshape(len(images), -1)
        x = nn.gelu(nn.Dense(48, dtype=jnp.float16, name="encoder")(x))
        x = nn.Dense(144, dtype=jnp.float16, name="decoder")(x)
        return x.reshape(images.shape)


def build(seed: int = 0, fault: bool = True) -> nnw.Session:
    train, test = (standardize(images) for images, _ in data.shapes(77))
    scale = 1.0 if fault else 2.0**14

    def reconstruction(outputs, images):
        squared = (outputs.astype(jnp.float32) - images) ** 2
        return scale * WEIGHT * jnp.mean(squared)

    model = Autoencoder()
    variables = model.init(jax.random.key(seed), train[:1])
    return nnw.Session(
        nnw.from_linen(model, variables, reconstruction),
        optax.chain(optax.scale(1 / scale), optax.adam(3e-3)),
        data.batches((train, train), 50, seed),
        validation=data.batches((test, test), 100),
        seed=seed,
    )


def standardize(images):
    return (images - 0.15) / 0.2


def error(session: nnw.Session) -> float:
    images = standardize(data.shapes(77).test[0])
    outputs = np.asarray(Autoencoder().apply(session.model, images))
    return float(np.mean((outputs - images) ** 2) / np.var(images))
