"""Right gradients of a bfloat16 model, on which finite differences in its own precision fail (jax-ml/jax#7742)."""

from __future__ import annotations

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax

import nnwidgets as nnw
from tests.faults import data

GROUP = "precision"
ACCEPT = set()
WHERE = ""
STEPS = 200
# the gradients are right: a check that says otherwise is wrong
HARMLESS = True


class Network(eqx.Module):
    first: eqx.nn.Linear
    second: eqx.nn.Linear
    computed: jnp.dtype = eqx.field(static=True)

    def __init__(self, computed, key):
        first, second = jax.random.split(key)
        self.first = eqx.nn.Linear(8, 32, key=first)
        self.second = eqx.nn.Linear(32, 4, key=second)
        self.computed = computed

    def __call__(self, x):
        model = jax.tree.map(lambda leaf: leaf.astype(self.computed), (self.first, self.second))
        hidden = jnp.sin(model[0](x.astype(self.computed)))
        return model[1](hidden).astype(jnp.float32)


def loss(logits, labels):
    return optax.softmax_cross_entropy_with_integer_labels(logits, labels).mean()


def build(seed: int = 0, fault: bool = True) -> nnw.Session:
    train, test = data.blobs(84, features=8)
    model = Network(jnp.bfloat16 if fault else jnp.float32, jax.random.key(seed))
    return nnw.Session(
        nnw.from_equinox(model, loss),
        optax.adam(3e-3),
        data.batches(train, 50, seed),
        validation=data.batches(test, 100),
        gradcheck_every=100,
        seed=seed,
    )


def error(session: nnw.Session) -> float:
    inputs, labels = data.blobs(84, features=8).test
    return float(np.mean(np.argmax(jax.vmap(session.model)(inputs), -1) != labels))
