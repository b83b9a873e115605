"""A diagnosis checks derivatives that were written by hand, and those alone."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import nnwidgets as nnw
from nnwidgets.records import Diagnosis

RANDOM = np.random.default_rng(0)
X = RANDOM.standard_normal((32, 4)).astype(np.float32)
BATCHES = [(X, X.sum(axis=1))] * 4


def squared(factor: float) -> Any:
    """The square, whose rule says that many times x."""
    made = jax.custom_vjp(lambda x: x**2)
    made.defvjp(lambda x: (x**2, x), lambda x, g: (factor * x * g,))
    return made


@jax.custom_jvp
def rounded(x: Any) -> Any:
    """To quarters, with the slope of the identity."""
    return jnp.round(4 * x) / 4


rounded.defjvps(lambda tangent, answer, x: tangent)


def diagnosed(middle: Any) -> tuple[nnw.Session, Diagnosis]:
    def loss(params: Any, batch: Any) -> Any:
        inputs, targets = batch
        return jnp.mean((middle(inputs @ params["first"]) @ params["second"] - targets) ** 2)

    random = np.random.default_rng(1)
    params = {
        "first": jnp.asarray(random.standard_normal((4, 8)) / 2, jnp.float32),
        "second": jnp.asarray(random.standard_normal(8) / 3, jnp.float32),
    }
    session = nnw.Session(nnw.Objective(loss, params), optax.adam(1e-2), BATCHES, track=False)
    return session, session.diagnose(steps=40)


@pytest.mark.parametrize(
    ("middle", "checked", "verdict"),
    [(squared(3.0), True, "wrong"), (squared(2.0), True, "ok"), (rounded, True, "surrogate"), (jax.nn.relu, False, "")],
    ids=("wrong", "right", "straight-through", "a library's"),
)
def test_a_rule_of_ones_own_is_checked(middle: Any, checked: bool, verdict: str) -> None:
    session, diagnosis = diagnosed(middle)
    assert len(session.history.gradient_reports) == int(checked)
    if checked:
        assert session.history.gradient_reports[0].verdict("first") == verdict
    red = {each.rule for each in diagnosis.findings if each.severity == "problem"}
    assert ("WrongGradient" in red) == (verdict == "wrong")
