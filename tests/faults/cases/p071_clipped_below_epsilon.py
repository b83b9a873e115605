"""Gradients are clipped so tightly that Adam's epsilon outweighs them, and nothing moves (NVIDIA/Megatron-LM#5394)."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import optax

import nnwidgets as nnw
from tests.faults import data

GROUP = "optax"
ACCEPT = {"TightClipping", "AdamEpsilon", "LearningRateTooLow"}
WHERE = ""
STEPS = 200


def dense(key, fan_in, fan_out):
    return {"kernel": jax.random.normal(key, (fan_in, fan_out)) / fan_in**0.5, "bias": jnp.zeros((fan_out,))}


def init(key):
    keys = jax.random.split(key, 3)
    return {"in": dense(keys[0], 10, 64), "mid": dense(keys[1], 64, 64), "out": dense(keys[2], 64, 6)}


def predict(params, x):
    for name in ("in", "mid"):
        x = jnp.tanh(x @ params[name]["kernel"] + params[name]["bias"])
    return x @ params["out"]["kernel"] + params["out"]["bias"]


def loss_fn(params, batch):
    logits = predict(params, batch["x"])
    loss = -jnp.mean(jnp.take_along_axis(jax.nn.log_softmax(logits), batch["y"][:, None], axis=1))
    return loss, {"outputs": logits, "targets": batch["y"]}


def as_dicts(batches):
    return [{"x": inputs, "y": labels} for inputs, labels in batches]


def build(seed: int = 0, fault: bool = True) -> nnw.Session:
    train, test = data.blobs(71, classes=6)
    tx = optax.chain(optax.clip_by_global_norm(1e-4 if fault else 1.0), optax.adam(0.01, eps=1e-3))
    return nnw.Session(
        nnw.Objective(loss_fn, init(jax.random.key(seed))),
        tx,
        as_dicts(data.batches(train, 64, seed)),
        validation=as_dicts(data.batches(test, 100)),
        seed=seed,
    )


def error(session: nnw.Session) -> float:
    inputs, labels = data.blobs(71, classes=6).test
    return float(np.mean(np.argmax(predict(session.params, inputs), -1) != labels))
