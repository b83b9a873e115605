"""The bias for rare classes, -4.6, is set in the hidden layers too, whose ReLU units never fire (jonwalls.dev)."""

from __future__ import annotations

import numpy as np
import optax
from flax import nnx

import nnwidgets as nnw
from tests.faults import data

GROUP = "init"
ACCEPT = {"DeadUnits", "InitializationScale", "ZeroGradient", "VanishingGradient"}
WHERE = ""
STEPS = 200


class Network(nnx.Module):
    def __init__(self, bias: float, rngs: nnx.Rngs) -> None:
        bias_init = nnx.initializers.constant(bias)
        self.dense1 = nnx.Linear(6, 40, bias_init=bias_init, rngs=rngs)
        self.dense2 = nnx.Linear(40, 40, bias_init=bias_init, rngs=rngs)
        self.classes = nnx.Linear(40, 4, rngs=rngs)

    def __call__(self, x):
        for layer in (self.dense1, self.dense2):
            x = nnx.relu(layer(x))
        return self.classes(x)


def loss(logits, labels):
    return optax.softmax_cross_entropy_with_integer_labels(logits, labels).mean()


def build(seed: int = 0, fault: bool = True) -> nnw.Session:
    (inputs, labels), (test_inputs, test_labels) = data.blobs(208, features=6)
    mean, deviation = inputs.mean(axis=0), inputs.std(axis=0)
    return nnw.Session(
        nnw.from_nnx(Network(-4.6 if fault else 0.0, nnx.Rngs(seed)), loss),
        optax.sgd(0.1, momentum=0.9),
        data.batches(((inputs - mean) / deviation, labels), 50, seed),
        validation=data.batches(((test_inputs - mean) / deviation, test_labels), 100),
        seed=seed,
    )


def error(session: nnw.Session) -> float:
    (inputs, _), (test_inputs, test_labels) = data.blobs(208, features=6)
    logits = session.model((test_inputs - inputs.mean(axis=0)) / inputs.std(axis=0))
    return float(np.mean(np.argmax(logits, -1) != test_labels))
