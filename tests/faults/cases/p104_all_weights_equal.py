"""All weights begin with one value, so the units of a layer learn the same thing (symmetric start; forum threads)."""

from __future__ import annotations

import numpy as np
import optax
from flax import nnx

import nnwidgets as nnw
from tests.faults import data

GROUP = "init"
ACCEPT = {"ConstantInitialization"}
WHERE = ""
STEPS = 200


class Network(nnx.Module):
    def __init__(self, kernel_init, rngs: nnx.Rngs) -> None:
        self.layer1 = nnx.Linear(2, 32, kernel_init=kernel_init, rngs=rngs)
        self.layer2 = nnx.Linear(32, 32, kernel_init=kernel_init, rngs=rngs)
        self.layer3 = nnx.Linear(32, 2, kernel_init=kernel_init, rngs=rngs)

    def __call__(self, x):
        x = nnx.relu(self.layer1(x))
        x = nnx.relu(self.layer2(x))
        return self.layer3(x)


def loss(logits, labels):
    return optax.softmax_cross_entropy_with_integer_labels(logits, labels).mean()


def build(seed: int = 0, fault: bool = True) -> nnw.Session:
    train, test = data.rings(104)
    kernel_init = nnx.initializers.constant(0.1) if fault else nnx.initializers.he_normal()
    return nnw.Session(
        nnw.from_nnx(Network(kernel_init, nnx.Rngs(seed)), loss),
        optax.adam(5e-3),
        data.epochs(train, 40, seed),
        validation=data.batches(test, 100),
        seed=seed,
    )


def error(session: nnw.Session) -> float:
    points, labels = data.rings(104).test
    return float(np.mean(np.argmax(session.model(points), -1) != labels))
