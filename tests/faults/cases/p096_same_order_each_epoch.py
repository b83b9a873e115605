"""The same key shuffles every epoch, so that each goes through the same batches in the same order (no public source)."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import optax

import nnwidgets as nnw
from tests.faults import data

GROUP = "data"
ACCEPT = {"RepeatedBatches"}
WHERE = ""
STEPS = 200
HARMLESS = True
BATCH_SIZE = 32


def initialize(key):
    first, second = jax.random.split(key)
    return {
        "first": {"w": jax.random.normal(first, (4, 64)) * 0.5, "b": jnp.zeros(64)},
        "second": {"w": jax.random.normal(second, (64, 1)) * 0.125, "b": jnp.zeros(1)},
    }


def predict(params, x):
    x = jax.nn.gelu(x @ params["first"]["w"] + params["first"]["b"])
    return jnp.squeeze(x @ params["second"]["w"] + params["second"]["b"], axis=-1)


def loss_fn(params, batch):
    return jnp.mean(jnp.square(predict(params, batch["inputs"]) - batch["targets"]))


def build(seed: int = 0, fault: bool = True) -> nnw.Session:
    (inputs, targets), test = data.curve(96, features=4)
    steps_per_epoch = len(inputs) // BATCH_SIZE

    def batch_of(step):
        epoch, place = divmod(step, steps_per_epoch)
        key = jax.random.key(seed) if fault else jax.random.fold_in(jax.random.key(seed), epoch)
        rows = np.asarray(jax.random.permutation(key, len(inputs)))[place * BATCH_SIZE : (place + 1) * BATCH_SIZE]
        return {"inputs": inputs[rows], "targets": targets[rows]}

    return nnw.Session(
        nnw.Objective(loss_fn, initialize(jax.random.key(seed))),
        optax.sgd(0.05, momentum=0.9),
        batch_of,
        validation=[{"inputs": test[0], "targets": test[1]}],
        seed=seed,
    )


def error(session: nnw.Session) -> float:
    inputs, targets = data.curve(96, features=4).test
    return float(np.mean((predict(session.params, inputs) - targets) ** 2) / np.var(targets))
