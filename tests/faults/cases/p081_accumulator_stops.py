"""A sum over a long sequence is carried in bfloat16 and stops growing after 256 terms (jax-ml/ml_dtypes#63)."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import optax

import nnwidgets as nnw
from tests.faults import data

GROUP = "precision"
ACCEPT = {"LowPrecision"}
WHERE = ""
STEPS = 200
LENGTH = 600


def recordings():
    """Long recordings in noise; the last quarter tells the class."""
    (quiet, labels), (quiet_test, labels_test) = data.blobs(81, classes=3, features=4, count=300)

    def spread(levels, rng):
        noise = rng.normal(size=(len(levels), LENGTH, levels.shape[1]))
        noise[:, 450:] += levels[:, None]
        return noise.astype(np.float32)

    rng = np.random.default_rng(81)
    return (spread(quiet, rng), labels), (spread(quiet_test[:150], rng), labels_test[:150])


def init(key):
    first, second = jax.random.split(key)
    return {
        "features": {"w": jax.random.normal(first, (4, 24)) * 0.5, "b": jnp.zeros(24)},
        "classes": {"w": jax.random.normal(second, (24, 3)) * 0.2, "b": jnp.zeros(3)},
    }


def classify(params, recording, carried):
    features = jax.nn.sigmoid(recording @ params["features"]["w"] + params["features"]["b"])

    def add(total, moment):
        return total + moment.astype(carried), None  # the fault

    total, _ = jax.lax.scan(add, jnp.zeros((len(recording), 24), carried), features.transpose(1, 0, 2))
    pooled = 8 * (total.astype(jnp.float32) / LENGTH - 0.5)
    return pooled @ params["classes"]["w"] + params["classes"]["b"]


def build(seed: int = 0, fault: bool = True) -> nnw.Session:
    carried = jnp.bfloat16 if fault else jnp.float32
    train, test = recordings()

    def loss_fn(params, batch):
        recording, labels = batch
        logits = classify(params, recording, carried)
        loss = optax.softmax_cross_entropy_with_integer_labels(logits, labels).mean()
        return loss, {"outputs": logits, "targets": labels}

    return nnw.Session(
        nnw.Objective(loss_fn, init(jax.random.key(seed))),
        optax.adam(0.02),
        data.batches(train, 20, seed),
        validation=data.batches(test, 50),
        seed=seed,
        name=str(carried.__name__),
    )


def error(session: nnw.Session) -> float:
    recording, labels = recordings()[1]
    carried = jnp.bfloat16 if session.name == "bfloat16" else jnp.float32
    return float(np.mean(np.argmax(classify(session.params, recording, carried), -1) != labels))
