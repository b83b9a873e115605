"""Weight decay is added to the gradients before Adam, which scales it up (google-deepmind/optax#494)."""

from __future__ import annotations

import equinox as eqx
import jax
import numpy as np
import optax

import nnwidgets as nnw
from tests.faults import data

GROUP = "optax"
ACCEPT = {"DecayInsideAdam", "StrongDecay", "PenaltyDominates"}
WHERE = ""
STEPS = 300


class Network(eqx.Module):
    layers: list

    def __init__(self, key):
        sizes = (2, 50, 50, 2)
        keys = jax.random.split(key, 3)
        self.layers = [eqx.nn.Linear(*pair, key=key) for *pair, key in zip(sizes[:-1], sizes[1:], keys, strict=True)]

    def __call__(self, x):
        for layer in self.layers[:-1]:
            x = jax.nn.relu(layer(x))
        return self.layers[-1](x)


def loss(logits, labels):
    return optax.softmax_cross_entropy_with_integer_labels(logits, labels).mean()


def build(seed: int = 0, fault: bool = True) -> nnw.Session:
    train, test = data.rings(72)
    decay = 0.1
    decayed_before = optax.chain(optax.add_decayed_weights(decay), optax.adam(5e-3))
    return nnw.Session(
        nnw.from_equinox(Network(jax.random.key(seed)), loss),
        decayed_before if fault else optax.adamw(5e-3, weight_decay=decay),
        data.batches(train, 60, seed),
        validation=data.batches(test, 100),
        seed=seed,
    )


def error(session: nnw.Session) -> float:
    points, labels = data.rings(72).test
    return float(np.mean(np.argmax(jax.vmap(session.model)(points), -1) != labels))
