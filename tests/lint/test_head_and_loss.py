"""Output heads and losses: each rule speaks of its own trouble, names the line, and stays silent beside it."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from flax import nnx
from jax import nn

import nnwidgets as nnw
from nnwidgets.lint import HEAD_AND_LOSS, SoftmaxTwice, facts_of, lint

from ._programs import INPUTS, ROWS, setup

CLASSES = (np.arange(ROWS) % 3).astype(np.int32)
ONE_HOT = np.eye(3, dtype=np.float32)[CLASSES]
BINARY = (np.arange(ROWS) % 2).astype(np.int32)
SEVERAL = np.array([[1, 1, 0], [0, 1, 1], [1, 0, 0], [1, 1, 1]] * 3, np.float32)
REAL = INPUTS[:, 0] + 0.1
cross_entropy = optax.softmax_cross_entropy_with_integer_labels
binary_cross_entropy = optax.sigmoid_binary_cross_entropy


def by_hand(z: Any) -> Any:
    return jnp.exp(z - z.max(-1, keepdims=True)) / jnp.exp(z - z.max(-1, keepdims=True)).sum(-1, keepdims=True)


def keras_like(p: Any, y: Any) -> Any:
    p = p / p.sum(-1, keepdims=True)
    return -(y * jnp.log(jnp.clip(p, 1e-7, 1 - 1e-7))).sum(-1).mean()


# name of the rule, loss(logits, targets), targets, outputs of the last layer
FAULTY = {
    "one unit softmax": ("OneUnitSoftmax", lambda z, y: -jnp.log(nn.softmax(z)[:, 0] + 1e-7).mean(), BINARY, 1),
    "one unit, divided by its sum": ("OneUnitSoftmax", lambda z, y: keras_like(nn.sigmoid(z), y[:, None]), BINARY, 1),
    "softmax twice": ("SoftmaxTwice", lambda z, y: cross_entropy(nn.softmax(z), y).mean(), CLASSES, 3),
    "softmax twice, by hand": (
        "SoftmaxTwice", lambda z, y: optax.softmax_cross_entropy(by_hand(z), y).mean(), ONE_HOT, 3,
    ),
    "sigmoid twice": ("SigmoidTwice", lambda z, y: binary_cross_entropy(nn.sigmoid(z)[:, 0], y).mean(), BINARY, 1),
    "broadcast": ("SilentBroadcast", lambda z, y: ((z - y) ** 2).mean(), REAL, 1),
    "broadcast the other way": ("SilentBroadcast", lambda z, y: jnp.abs(y - z[:, 0]).mean(), REAL[:, None], 1),
    "one output, three label columns": ("LabelWidth", lambda z, y: ((nn.sigmoid(z) - y) ** 2).mean(), ONE_HOT, 1),
    "label of K": ("LabelRange", lambda z, y: cross_entropy(z, y).mean(), CLASSES + 1, 3),
    "label of -1": ("LabelRange", lambda z, y: cross_entropy(z, y).mean(), CLASSES - 1, 3),
    "one-hot in the loss": (
        "LabelRange", lambda z, y: -(nn.one_hot(y, 3) * nn.log_softmax(z)).sum(-1).mean(), CLASSES + 2, 3,
    ),
    "classes on one sigmoid": ("LabelRange", lambda z, y: binary_cross_entropy(z[:, 0], y).mean(), CLASSES, 1),
    "scaled labels": (
        "LabelCoding", lambda z, y: cross_entropy(z, y.astype(int)).mean(), (CLASSES / 255).astype(np.float32), 3,
    ),
    "percentage of zero": (
        "LossForTargets", lambda z, y: (jnp.abs(z[:, 0] - y) / jnp.maximum(y, 1e-7)).mean(), BINARY, 1,
    ),
    "cross-entropy of real numbers": (
        "LossForTargets", lambda z, y: -(y * nn.log_softmax(z)).sum(-1).mean(), 5 * INPUTS[:, :3], 3,
    ),
    "logits as probabilities": (
        "LogitsAsProbabilities",
        lambda z, y: -(y * jnp.log(jnp.clip(z[:, 0], 1e-7, 1)) + (1 - y) * jnp.log(jnp.clip(1 - z[:, 0], 1e-7, 1))).mean(),
        BINARY, 1,
    ),
    "sigmoids, categorical": (
        "SigmoidForExclusiveClasses", lambda z, y: -(y * jnp.log(nn.sigmoid(z) + 1e-7)).sum(-1).mean(), ONE_HOT, 3,
    ),
    "softmax for several labels": ("SoftmaxForMultiLabel", lambda z, y: ((nn.softmax(z) - y) ** 2).mean(), SEVERAL, 3),
    "sigmoid for large targets": ("OutputRange", lambda z, y: ((nn.sigmoid(z[:, 0]) - y) ** 2).mean(), 10 * REAL, 1),
    "ReLU for negative targets": ("OutputRange", lambda z, y: jnp.abs(nn.relu(z[:, 0]) - y).mean(), REAL, 1),
    "ReLU before the softmax": ("ReluOnLogits", lambda z, y: cross_entropy(nn.relu(z), y).mean(), CLASSES, 3),
    "softmax over the batch": ("SoftmaxAxis", lambda z, y: -(y * nn.log_softmax(z, axis=0)).sum(-1).mean(), ONE_HOT, 3),
    "logarithm of a softmax": ("UnguardedLog", lambda z, y: -(y * jnp.log(nn.softmax(z))).sum(-1).mean(), ONE_HOT, 3),
    "logarithm of a sigmoid": ("UnguardedLog", lambda z, y: -jnp.log(nn.sigmoid(z[:, 0])).mean() * y.mean(), BINARY, 1),
    "clipped away": (
        "ClippedLoss", lambda z, y: -(y * jnp.log(jnp.clip(nn.softmax(40 * z), 1e-7, 1 - 1e-7))).sum(-1).mean(), ONE_HOT, 3,
    ),
    "labels against themselves": (
        "ConstantLoss", lambda z, y: (0.0 * z).sum() + cross_entropy(5 * nn.one_hot(y, 3), y).mean(), CLASSES, 3,
    ),
}  # fmt: skip

HEALTHY = {
    "integer labels": (lambda z, y: cross_entropy(z, y).mean(), CLASSES, 3),
    "one-hot labels": (lambda z, y: optax.softmax_cross_entropy(z, y).mean(), ONE_HOT, 3),
    "smoothed labels": (lambda z, y: optax.softmax_cross_entropy(z, 0.9 * y + 0.1 / 3).mean(), ONE_HOT, 3),
    "log-softmax, then cross-entropy": (lambda z, y: cross_entropy(nn.log_softmax(z), y).mean(), CLASSES, 3),
    "by hand": (lambda z, y: -(jnp.take_along_axis(nn.log_softmax(z), y[:, None], 1)).mean(), CLASSES, 3),
    "probabilities, clipped": (lambda z, y: keras_like(nn.softmax(z), y), ONE_HOT, 3),
    "focal": (
        lambda z, y: -(y * (1 - nn.softmax(z)) ** 2 * nn.log_softmax(z)).sum(-1).mean(), ONE_HOT, 3,
    ),
    "masked labels": (
        lambda z, y: (jnp.where(y >= 0, cross_entropy(z, jnp.maximum(y, 0)), 0)).sum() / (y >= 0).sum(),
        np.where(np.arange(ROWS) % 4 == 0, -1, CLASSES).astype(np.int32), 3,
    ),
    "binary": (lambda z, y: binary_cross_entropy(z[:, 0], y).mean(), BINARY, 1),
    "several labels": (lambda z, y: binary_cross_entropy(z, y).mean(), SEVERAL, 3),
    "signs": (lambda z, y: binary_cross_entropy(z[:, 0], (y + 1) / 2).mean(), 2.0 * BINARY.astype(np.float32) - 1, 1),
    "squared": (lambda z, y: ((z[:, 0] - y) ** 2).mean(), REAL, 1),
    "squared, columns": (lambda z, y: ((z - y) ** 2).mean(), INPUTS[:, :3], 3),
    "sigmoid for targets of 0 to 1": (lambda z, y: ((nn.sigmoid(z[:, 0]) - y) ** 2).mean(), nn.sigmoid(REAL), 1),
    "scaled tanh": (lambda z, y: ((30 * nn.tanh(z[:, 0]) - y) ** 2).mean(), 10 * REAL, 1),
    "Poisson": (lambda z, y: (jnp.exp(z[:, 0]) - y * z[:, 0]).mean(), (3 * np.abs(REAL)).round(), 1),
    "Gaussian with a variance": (
        lambda z, y: (0.5 * jnp.log(nn.softplus(z[:, 1]) + 1e-3) + (z[:, 0] - y) ** 2 / (nn.softplus(z[:, 1])
        + 1e-3)).mean(), REAL, 2,
    ),
    "hinge": (lambda z, y: nn.relu(1 - y * z[:, 0]).mean(), 2.0 * BINARY - 1, 1),
    "similarities": (
        lambda z, y: cross_entropy(z @ z.T, jnp.arange(ROWS)).mean()
        + cross_entropy((z @ z.T).T, jnp.arange(ROWS)).mean(), CLASSES, 3,
    ),
    "pairs": (lambda z, y: jnp.where(y[:, None] == y[None], (z - z.T) ** 2, 0).mean(), CLASSES, 1),
    "relative error": (lambda z, y: (jnp.abs(z[:, 0] - y) / y).mean(), np.abs(REAL) + 1, 1),
    "distillation": (lambda z, y: -(nn.softmax(y / 2) * nn.log_softmax(z / 2)).sum(-1).mean(), INPUTS[:, :3], 3),
}  # fmt: skip


@pytest.mark.parametrize("name", FAULTY)
def test_a_fault_is_named(name: str) -> None:
    rule, loss, targets, outputs = FAULTY[name]
    found, _, notices = lint(setup(loss, np.asarray(targets), outputs), HEAD_AND_LOSS)
    assert notices == []
    told = {each.rule: each for each in found}
    assert rule in told, f"found only {list(told)}"
    assert rule == "ConstantLoss" or __file__ in (told[rule].line or ""), told[rule].line
    assert told[rule].evidence


@pytest.mark.parametrize("name", HEALTHY)
def test_a_healthy_loss_is_left_alone(name: str) -> None:
    loss, targets, outputs = HEALTHY[name]
    found, passed, notices = lint(setup(loss, np.asarray(targets), outputs), HEAD_AND_LOSS)
    assert notices == []
    assert found == []
    assert len(passed) == len(HEAD_AND_LOSS)


def test_facts_name_the_loss_and_its_levels() -> None:
    facts = facts_of(setup(lambda z, y: cross_entropy(z, y).mean(), CLASSES, 3))
    assert (facts.loss, facts.classes, facts.least, facts.batch_size) == ("softmax cross-entropy", 3, 0.0, ROWS)
    values = dict(facts.levels)
    assert np.isclose(values["ln C: every class equally likely"], np.log(3))
    # e + 2 over the sum: a softmax of (1, 0, 0) is as sure as it gets
    floor = -float(nn.log_softmax(jnp.array([1.0, 0.0, 0.0]))[0])
    twice = facts_of(setup(lambda z, y: cross_entropy(nn.softmax(z), y).mean(), CLASSES, 3))
    assert np.isclose(dict(twice.levels)["ln(e + C - 1) - 1: the floor of a softmax applied twice"], floor)
    # it is no level of a loss that applies one
    assert not [name for name in values if "softmax" in name]
    assert facts.head == ("head/b", "head/w")
    squared = facts_of(setup(lambda z, y: ((z[:, 0] - y) ** 2).mean(), REAL, 1))
    assert squared.loss == "squared error"
    assert np.isclose(squared.levels[0][1], REAL.var())


def test_a_softmax_of_a_library_has_the_line_of_the_loss() -> None:
    model = nnx.Sequential(nnx.Linear(4, 3, rngs=nnx.Rngs(0)), nnx.softmax)

    def loss(outputs: Any, labels: Any) -> Any:
        return cross_entropy(outputs, labels).mean()

    batch = (np.ones((8, 4), np.float32), np.zeros(8, np.int32))
    found = SoftmaxTwice().check(nnw.Session(nnw.from_nnx(model, loss), optax.sgd(0.1), [batch], budget=0)._setup())
    assert found is not None and found.line is not None
    assert found.line.endswith(f":{loss.__code__.co_firstlineno + 1}"), found.line


def test_targets_are_told_from_inputs() -> None:
    made = setup(lambda z, y: cross_entropy(z, y).mean(), CLASSES)
    assert [(each.is_input, each.is_target) for each in made.fields] == [(True, False), (False, True)]
    assert jax.tree.leaves(made.batch)[0] is made.fields[0].values or made.fields[0].values.shape == INPUTS.shape
