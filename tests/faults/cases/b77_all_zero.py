"""All weights begin at zero (Stack Overflow 48027263)."""

from __future__ import annotations

import flax.linen as nn
import jax
import numpy as np
import optax

import nnwidgets as nnw
from tests.faults import data

GROUP = "init"
ACCEPT = {"ConstantInitialization", "ZeroGradient", "DeadUnits"}
WHERE = ""
STEPS = 200


class Mlp(nn.Module):
    kernel_init: nn.initializers.Initializer

    @nn.compact
    def __call__(self, x):
        x = nn.relu(nn.Dense(32, kernel_init=self.kernel_init)(x))
        x = nn.relu(nn.Dense(32, kernel_init=self.kernel_init)(x))
        return nn.Dense(1, kernel_init=self.kernel_init)(x).squeeze(-1)


def loss(logits, labels):
    return optax.sigmoid_binary_cross_entropy(logits, labels.astype(logits.dtype)).mean()


def build(seed: int = 0, fault: bool = True) -> nnw.Session:
    train, test = data.rings(seed, features=3, count=800)
    model = Mlp(nn.initializers.zeros if fault else nn.initializers.he_uniform())
    session = nnw.Session(
        nnw.from_linen(model, model.init(jax.random.key(seed), train[0][:1]), loss),
        optax.adam(5e-3),
        data.batches(train, 50, seed),
        validation=data.batches(test, 100),
        seed=seed,
    )
    session.held_out = test
    return session


def error(session: nnw.Session) -> float:
    inputs, labels = session.held_out
    logits = np.asarray(Mlp(nn.initializers.zeros).apply(session.model, inputs))
    return float(np.mean((logits > 0) != labels))
