"""Sums along a loop: what is missing of them, and which loops are none."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import ml_dtypes
import numpy as np
import optax
import pytest

import nnwidgets as nnw
from nnwidgets.lint import LowPrecision, Setup

FEATURES = np.random.default_rng(0).uniform(0.4, 0.6, size=(4, 600, 3)).astype(np.float32)


def setup_of(add: Callable[[Any, Any], Any], dtype: Any, length: int = 600) -> Setup:
    """A loss of what a loop over the second axis carries, begun at 0."""

    def loss_fn(params: Any, batch: Any) -> jax.Array:
        terms = jnp.moveaxis(batch * params["w"], 1, 0).astype(dtype)
        total, _ = jax.lax.scan(lambda carry, term: (add(carry, term), None), jnp.zeros((4, 3), dtype), terms)
        return jnp.mean(total.astype(jnp.float32) ** 2)

    return Setup(nnw.Objective(loss_fn, {"w": jnp.ones(3)}), optax.sgd(0.1), [FEATURES[:, :length]])


def found_in(setup: Setup) -> list[nnw.Finding]:
    return [each for each in LowPrecision().check(setup) if "stops growing" in each.explanation]


def test_what_is_missing_is_measured() -> None:
    (found,) = found_in(setup_of(lambda carry, term: carry + term, jnp.bfloat16))
    terms, total = FEATURES.astype(ml_dtypes.bfloat16), np.zeros((4, 3), ml_dtypes.bfloat16)
    for moment in range(600):
        total = total + terms[:, moment]
    whole = terms.astype(np.float64).sum(1)
    share = np.linalg.norm(whole - total.astype(np.float64)) / np.linalg.norm(whole)
    assert found.evidence["share of the sum missing"] == pytest.approx(share, rel=1e-3)
    assert share > 0.1
    assert (found.line or "").partition(":")[0].endswith("test_stalled_sums.py")


@pytest.mark.parametrize(
    ("add", "dtype", "length"),
    [
        (lambda carry, term: carry + term, jnp.float32, 600),
        (lambda carry, term: carry + term, jnp.bfloat16, 64),
        (lambda carry, term: carry + (term - jnp.asarray(0.5, term.dtype)), jnp.bfloat16, 600),
        (lambda carry, term: jnp.asarray(0.9, carry.dtype) * carry + term, jnp.bfloat16, 600),
        (lambda carry, term: jnp.maximum(carry, term), jnp.bfloat16, 600),
    ],
    ids=["float32", "few terms", "terms that cancel", "a moving average", "a maximum"],
)
def test_other_loops_are_left_alone(add: Callable[[Any, Any], Any], dtype: Any, length: int) -> None:
    assert not found_in(setup_of(add, dtype, length))
