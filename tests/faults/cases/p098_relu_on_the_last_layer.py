"""A ReLU on the last layer, where half of the targets are negative (torchexplorer's README, third use case)."""

from __future__ import annotations

import keras
import numpy as np
import optax

import nnwidgets as nnw
from tests.faults import data

GROUP = "head"
ACCEPT = {"OutputRange", "ReluOnLogits"}
WHERE = "output"
STEPS = 200


def build(seed: int = 0, fault: bool = True) -> nnw.Session:
    (inputs, targets), (test_inputs, test_targets) = data.curve(98, features=3)
    keras.utils.set_random_seed(seed)
    model = keras.Sequential(
        [
            keras.Input((3,)),
            keras.layers.Dense(32, activation="relu", name="hidden"),
            keras.layers.Dense(16, activation="relu", name="hidden2"),
            keras.layers.Dense(1, activation="relu" if fault else None, name="output"),
        ]
    )

    def squared_error(predictions, targets):
        return optax.l2_loss(predictions, targets).mean()

    return nnw.Session(
        nnw.from_keras(model, squared_error),
        optax.adam(5e-3),
        data.batches((inputs, targets[:, None]), 50, seed),
        validation=data.batches((test_inputs, test_targets[:, None]), 100),
        seed=seed,
    )


def error(session: nnw.Session) -> float:
    inputs, targets = data.curve(98, features=3).test
    return float(np.mean((np.asarray(session.model(inputs))[:, 0] - targets) ** 2) / np.var(targets))
