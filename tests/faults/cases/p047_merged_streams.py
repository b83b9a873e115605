"""An NNX model merged anew in every step repeats its random streams: always the same mask (like maxtext#4343)."""

from __future__ import annotations

from typing import Any

import jax
import numpy as np
import optax
from flax import nnx

import nnwidgets as nnw
from tests.faults import data

GROUP = "state"
ACCEPT = {"DropoutKey"}
WHERE = ""
STEPS = 200


class Dropping(nnx.Module):
    """Some features are dropped, the same ones for all rows of a batch."""

    def __init__(self, rngs: nnx.Rngs) -> None:
        self.hidden = nnx.Linear(24, 64, rngs=rngs)
        self.drop = nnx.Dropout(0.5, broadcast_dims=(0,), rngs=rngs)
        self.out = nnx.Linear(64, 4, rngs=rngs)

    def __call__(self, x: jax.Array, rngs: nnx.Rngs | None = None) -> jax.Array:
        return self.out(nnx.relu(self.hidden(self.drop(x, rngs=rngs))))


def build(seed: int = 0, fault: bool = True) -> nnw.Session:
    graph, params, rest = nnx.split(Dropping(nnx.Rngs(seed)), nnx.Param, ...)

    def loss_fn(params: Any, batch: Any, *, rng: Any, train: bool) -> Any:
        inputs, labels = batch
        model = nnx.merge(graph, params, rest, copy=True)
        model.train() if train else model.eval()
        logits = model(inputs) if fault else model(inputs, nnx.Rngs(rng))  # the fault
        loss = optax.softmax_cross_entropy_with_integer_labels(logits, labels).mean()
        return loss, {"outputs": logits, "targets": labels}

    split = data.blobs(47, 4, 24, 900, spread=0.9)
    objective = nnw.Objective(loss_fn, params)
    batches = data.batches(split.train, 30, seed)
    return nnw.Session(objective, optax.adam(5e-3), batches, validation=[split.test], seed=seed)


def error(session: nnw.Session) -> float:
    test = data.blobs(47, 4, 24, 900, spread=0.9).test
    _, (_, aux) = session.objective(session.params, session.state, test, jax.random.key(0), False)
    return float(np.mean(np.argmax(np.asarray(aux["outputs"]), -1) != test[1]))
