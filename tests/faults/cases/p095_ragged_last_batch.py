"""The last batch of an epoch is short, and a mean of batch means counts its rows too much (no public source)."""

from __future__ import annotations

import jax.numpy as jnp
import numpy as np
import optax

import nnwidgets as nnw
from tests.faults import data

GROUP = "data"
EXPECT = "Each new shape compiles the step again; drop the short last batch"


def loss_fn(params, batch):
    inputs, targets = batch
    return jnp.mean((inputs @ params["w"] + params["b"] - targets) ** 2)


def loud() -> None:
    inputs, targets = data.curve(95).train
    # 600 rows in batches of 64: the last has 24
    batches = [(inputs[start : start + 64], targets[start : start + 64]) for start in range(0, len(inputs), 64)]
    params = {"w": np.zeros(5, np.float32), "b": np.zeros((), np.float32)}
    nnw.Session(nnw.Objective(loss_fn, params), optax.sgd(0.1), batches).run(20)
