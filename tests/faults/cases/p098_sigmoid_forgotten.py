"""The sigmoid is missing between the last layer and a loss that wants probabilities (UMLAUT's final-layer check)."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import optax

import nnwidgets as nnw
from tests.faults import data

GROUP = "head"
ACCEPT = {"LogitsAsProbabilities", "ClippedLoss"}
WHERE = ""
STEPS = 200


def init_layer(key, fan_in, fan_out):
    return jax.random.normal(key, (fan_in, fan_out)) * jnp.sqrt(2.0 / (fan_in + fan_out)), jnp.zeros(fan_out)


def network(params, x):
    for weights, bias in params[:-1]:
        x = jnp.tanh(x @ weights + bias)
    weights, bias = params[-1]
    return (x @ weights + bias).ravel()


def binary_cross_entropy(probabilities, labels):
    probabilities = jnp.clip(probabilities, 1e-7, 1 - 1e-7)  # the fault
    return -jnp.mean(labels * jnp.log(probabilities) + (1 - labels) * jnp.log(1 - probabilities))


def build(seed: int = 0, fault: bool = True) -> nnw.Session:
    train, test = ((inputs, labels.astype(np.float32)) for inputs, labels in data.rings(98, features=3))

    def loss_fn(params, batch):
        inputs, labels = batch
        outputs = network(params, inputs)
        if not fault:
            outputs = jax.nn.sigmoid(outputs)
        return binary_cross_entropy(outputs, labels), {"outputs": outputs, "targets": labels}

    keys = jax.random.split(jax.random.key(seed), 3)
    params = [init_layer(keys[0], 3, 64), init_layer(keys[1], 64, 32), init_layer(keys[2], 32, 1)]
    return nnw.Session(
        nnw.Objective(loss_fn, params),
        optax.adam(5e-3),
        data.batches(train, 50, seed),
        validation=data.batches(test, 100),
        seed=seed,
        name="raw" if fault else "sigmoid",
    )


def error(session: nnw.Session) -> float:
    inputs, labels = data.rings(98, features=3).test
    threshold = 0.5 if session.name == "raw" else 0.0
    return float(np.mean((np.asarray(network(session.params, inputs)) > threshold) != labels))
