"""NNX layers are built in training mode; without `eval()` they drop units in evaluation (torchtune#1049, deepchem#5120)."""

from __future__ import annotations

from typing import Any

import jax
import numpy as np
import optax
from flax import nnx

import nnwidgets as nnw
from tests.faults import data

GROUP = "state"
ACCEPT = {"TrainModeInEvaluation"}
WHERE = ""
STEPS = 200


class Classifier(nnx.Module):
    def __init__(self, rngs: nnx.Rngs) -> None:
        self.layers = nnx.List([nnx.Linear(12, 32, rngs=rngs), nnx.Linear(32, 32, rngs=rngs)])
        self.drop = nnx.Dropout(0.5)
        self.out = nnx.Linear(32, 3, rngs=rngs)

    def __call__(self, x: jax.Array, rngs: nnx.Rngs) -> jax.Array:
        for layer in self.layers:
            x = self.drop(nnx.gelu(layer(x)), rngs=rngs)
        return self.out(x)


def build(seed: int = 0, fault: bool = True) -> nnw.Session:
    graph, params = nnx.split(Classifier(nnx.Rngs(seed)), nnx.Param)

    def loss_fn(params: Any, batch: Any, *, rng: Any, train: bool) -> Any:
        model = nnx.merge(graph, params)
        if not train and not fault:
            model.eval()
        logits = model(batch["x"], nnx.Rngs(rng))
        loss = optax.softmax_cross_entropy_with_integer_labels(logits, batch["y"]).mean()
        return loss, {"outputs": logits, "targets": batch["y"]}

    split = data.blobs(48, 3, 12, 900, spread=1.0)
    batches = [{"x": x, "y": y} for x, y in data.batches(split.train, 30, seed)]
    validation = [{"x": x, "y": y} for x, y in data.batches(split.test, 100)]
    return nnw.Session(
        nnw.Objective(loss_fn, params), optax.adam(3e-3), batches, validation=validation, validation_every=50, seed=seed
    )


def error(session: nnw.Session) -> float:
    x, y = data.blobs(48, 3, 12, 900, spread=1.0).test
    _, (_, aux) = session.objective(session.params, session.state, {"x": x, "y": y}, jax.random.key(9), False)
    return float(np.mean(np.argmax(np.asarray(aux["outputs"]), -1) != y))
