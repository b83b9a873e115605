"""Two layers with nothing between them, weights N(0, 1), squared error and SGD at 3 (Stack Overflow 48385830)."""

from __future__ import annotations

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import optax

import nnwidgets as nnw
from tests.faults import data

GROUP = "steps"
ACCEPT = {
    "LearningRateTooHigh",
    "Divergence",
    "NonFinite",
    "ExplodingGradient",
    "InitializationScale",
    "LossForTargets",
}
WHERE = ""
STEPS = 400
SIZES = (100, 30, 10)


def normal_weights(seed: int, spread):
    rng = np.random.default_rng(seed)
    pairs = list(itertools.pairwise(SIZES))
    weights = [(spread(n) * rng.normal(size=(n, m))).astype(np.float32) for n, m in pairs]
    return {"weights": weights, "biases": [(spread(n) * rng.normal(size=m)).astype(np.float32) for n, m in pairs]}


def feed_forward(params, x, activation):
    (first, second), (a, b) = params["weights"], params["biases"]
    return activation(x @ first + a) @ second + b


def quadratic_cost(params, batch):
    x, y = batch
    outputs = feed_forward(params, x, lambda z: z)
    return 0.5 * jnp.sum((outputs - y) ** 2, axis=1).mean()


def cross_entropy(params, batch):
    x, y = batch
    return optax.softmax_cross_entropy(feed_forward(params, x, jax.nn.sigmoid), y).mean()


def build(seed: int = 0, fault: bool = True) -> nnw.Session:
    splits = data.blobs(seed, classes=10, features=100, count=1000)
    train, test = [(x, data.one_hot(labels, 10)) for x, labels in splits]
    if fault:
        objective = nnw.Objective(quadratic_cost, normal_weights(seed, lambda n: 1.0))
    else:
        objective = nnw.Objective(cross_entropy, normal_weights(seed, lambda n: n**-0.5))
    session = nnw.Session(objective, optax.sgd(3.0 if fault else 0.3), data.batches(train, 10, seed), seed=seed)
    session.held_out = test
    return session


def error(session: nnw.Session) -> float:
    x, y = session.held_out
    outputs = feed_forward(session.params, x, jax.nn.sigmoid)
    if not np.isfinite(outputs).all():
        return float("nan")
    return float(np.mean(np.argmax(outputs, -1) != np.argmax(y, -1)))
