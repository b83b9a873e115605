"""Parameters kept in bfloat16 swallow small updates, as its sums stop growing at 256 (jax-ml/ml_dtypes#63)."""

from __future__ import annotations

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import optax

import nnwidgets as nnw
from tests.faults import data

GROUP = "precision"
ACCEPT = {"SwallowedUpdates", "LowPrecision"}
WHERE = ""
STEPS = 300


class Network(nn.Module):
    stored: jnp.dtype

    @nn.compact
    def __call__(self, x):
        for width in (64, 64):
            x = nn.gelu(nn.Dense(width, dtype=jnp.bfloat16, param_dtype=self.stored)(x))
        return nn.Dense(1, dtype=jnp.bfloat16, param_dtype=self.stored)(x)[:, 0].astype(jnp.float32)


def mean_squared_error(predictions, targets):
    return jnp.mean((predictions - targets) ** 2)


def build(seed: int = 0, fault: bool = True) -> nnw.Session:
    train, test = data.curve(81, features=3)
    model = Network(jnp.bfloat16 if fault else jnp.float32)
    variables = model.init(jax.random.key(seed), train[0][:1])
    return nnw.Session(
        nnw.from_linen(model, variables, mean_squared_error),
        optax.sgd(5e-3, momentum=0.9),
        data.batches(train, 50, seed),
        validation=data.batches(test, 100),
        seed=seed,
    )


def error(session: nnw.Session) -> float:
    inputs, targets = data.curve(81, features=3).test
    predictions = np.asarray(Network(jnp.float32).apply(session.model, inputs))
    return float(np.mean((predictions - targets) ** 2) / np.var(targets))
