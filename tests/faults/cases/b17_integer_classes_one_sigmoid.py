"""Integer classes 0 to 3 on one sigmoid output: the binary cross-entropy goes below 0 (Stack Overflow 60874661)."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import optax

import nnwidgets as nnw
from tests.faults import data

GROUP = "head"
ACCEPT = {"LabelRange", "LabelWidth", "LabelCoding", "NegativeLoss", "LossForTargets", "SigmoidForExclusiveClasses"}
WHERE = ""
STEPS = 200


def initial(key: jax.Array, sizes: tuple[int, ...]) -> list[tuple[jax.Array, jax.Array]]:
    initialise = jax.nn.initializers.glorot_uniform()
    keys = jax.random.split(key, len(sizes) - 1)
    pairs = zip(sizes[:-1], sizes[1:], keys, strict=True)
    return [(initialise(key, (inputs, outputs)), jnp.zeros(outputs)) for inputs, outputs, key in pairs]


def scores(params: list, x: jax.Array) -> jax.Array:
    *hidden, (w, b) = params
    for weights, bias in hidden:
        x = jax.nn.relu(x @ weights + bias)
    return x @ w + b


def one_output(params: list, batch: tuple[jax.Array, jax.Array]) -> jax.Array:
    x, y = batch
    return optax.sigmoid_binary_cross_entropy(scores(params, x)[:, 0], y).mean()  # the fault


def an_output_a_class(params: list, batch: tuple[jax.Array, jax.Array]) -> jax.Array:
    x, y = batch
    return optax.softmax_cross_entropy_with_integer_labels(scores(params, x), y).mean()


def build(seed: int = 0, fault: bool = True) -> nnw.Session:
    split = data.blobs(seed, classes=4, features=8, count=1200)
    params = initial(jax.random.key(seed), (8, 40, 20, 1 if fault else 4))
    session = nnw.Session(
        nnw.Objective(one_output if fault else an_output_a_class, params),
        optax.adamw(3e-3),
        data.epochs(split.train, 48, seed),
        seed=seed,
    )
    session.held_out = split.test
    return session


def error(session: nnw.Session) -> float:
    inputs, labels = session.held_out
    return float(np.mean(scores(session.params, inputs).argmax(1) != labels))
