"""A squared error between the predicted class number and the label: argmax has no slope (google-deepmind/dm-haiku#442)."""

from __future__ import annotations

from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import optax

import nnwidgets as nnw
from tests.faults import data

GROUP = "gradients"
ACCEPT = {"NonDifferentiable", "ZeroGradient", "DisconnectedParameters", "LossIgnoresParameters"}
WHERE = ""
STEPS = 200
GRADES = 5


class Grader(nn.Module):
    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        for width in (32, 32):
            x = nn.gelu(nn.Dense(width)(x))
        return nn.Dense(GRADES)(x)


def graded(part: tuple[Any, Any]) -> tuple[Any, Any]:
    """A smooth quantity in five grades."""
    return part[0], np.digitize(part[1], [-0.9, -0.3, 0.3, 0.9]).astype(np.int32)


def grade_error(logits: jax.Array, grades: jax.Array) -> jax.Array:
    predicted = jnp.argmax(logits, axis=-1)  # the fault
    return jnp.mean((predicted - grades).astype(jnp.float32) ** 2)


def expected_grade_error(logits: jax.Array, grades: jax.Array) -> jax.Array:
    chance = jax.nn.softmax(logits)
    apart = (jnp.arange(GRADES) - grades[:, None]).astype(jnp.float32)
    return jnp.mean(jnp.sum(chance * apart**2, -1))


def build(seed: int = 0, fault: bool = True) -> nnw.Session:
    split, model = data.curve(26, 4), Grader()
    variables: Any = model.init(jax.random.key(seed), split.train[0][:1])
    objective = nnw.from_linen(model, variables, grade_error if fault else expected_grade_error)
    return nnw.Session(
        objective,
        optax.adam(0.015),
        data.batches(graded(split.train), 32, seed),
        validation=[graded(split.test)],
        seed=seed,
    )


def error(session: nnw.Session) -> float:
    inputs, grades = graded(data.curve(26, 4).test)
    logits = Grader().apply(session.model, inputs)
    return float(np.mean((np.argmax(np.asarray(logits), -1) - grades) ** 2) / grades.var())
