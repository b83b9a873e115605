"""Small set-ups for the rules on data, initialisation and optimizer: a two-layer network, its parts to be exchanged."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax

import nnwidgets as nnw
from nnwidgets.lint import Setup
from nnwidgets.records import Finding

FEATURES, WIDTH, CLASSES, ROWS = 6, 8, 3, 16
RANDOM = np.random.default_rng(0)
INPUTS = RANDOM.normal(size=(ROWS * 4, FEATURES)).astype(np.float32)
LABELS = RANDOM.integers(0, CLASSES, ROWS * 4).astype(np.int32)
REAL = (INPUTS[:, :1] - INPUTS[:, 1:2]).astype(np.float32)


def network(outputs: int = CLASSES, seed: int = 0) -> dict[str, Any]:
    first, second = jax.random.split(jax.random.key(seed))
    return {
        "hidden": {"b": jnp.zeros(WIDTH), "w": jax.random.normal(first, (FEATURES, WIDTH)) / FEATURES**0.5},
        "last": {"b": jnp.zeros(outputs), "w": jax.random.normal(second, (WIDTH, outputs)) / WIDTH**0.5},
    }


def apply(params: Any, inputs: Any, activation: Callable[[Any], Any] = jax.nn.relu) -> Any:
    hidden = activation(inputs @ params["hidden"]["w"] + params["hidden"]["b"])
    return hidden @ params["last"]["w"] + params["last"]["b"]


def classify(params: Any, batch: Any) -> Any:
    inputs, labels = batch
    return optax.softmax_cross_entropy_with_integer_labels(apply(params, inputs), labels).mean()


def regress(params: Any, batch: Any) -> Any:
    inputs, targets = batch
    return jnp.mean((apply(params, inputs) - targets) ** 2)


def batches(inputs: Any = INPUTS, targets: Any = LABELS, rows: int = ROWS) -> list[Any]:
    return [(inputs[i : i + rows], targets[i : i + rows]) for i in range(0, len(inputs) - rows + 1, rows)]


def classifier(
    tx: optax.GradientTransformation | None = None,
    data: list[Any] | None = None,
    params: Any = None,
    loss: Callable[..., Any] = classify,
    validation: list[Any] | None = None,
) -> Setup:
    objective = nnw.Objective(loss, network() if params is None else params)
    return Setup(objective, tx or optax.adam(1e-3), batches() if data is None else data, validation=validation or ())


def regressor(targets: Any = REAL, tx: optax.GradientTransformation | None = None, params: Any = None) -> Setup:
    objective = nnw.Objective(regress, network(1) if params is None else params)
    return Setup(objective, tx or optax.adam(1e-3), batches(INPUTS, targets))


def only(found: Any) -> Finding:
    """The one finding of a rule."""
    findings = [found] if isinstance(found, Finding) else list(found or ())
    assert len(findings) == 1, findings
    return findings[0]


def silent(found: Any) -> bool:
    return not found


def calm(found: Any) -> bool:
    """Nothing red."""
    findings = [found] if isinstance(found, Finding) else list(found or ())
    return all(each.severity != "problem" for each in findings)
