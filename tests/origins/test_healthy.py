"""Programs with infinities that are meant, and guards that are right: nothing is accused."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import nnwidgets as nnw

X = np.array([-1.0, 0.0, 0.5, 3.0], np.float32)
CAUSAL = np.tril(np.ones((4, 4), bool))


def attention_with_a_mask(x: Any) -> Any:
    scores = jnp.where(CAUSAL, jnp.outer(x, x), -jnp.inf)
    return (jax.nn.softmax(scores, axis=-1) @ x).sum()


def double_where(x: Any) -> Any:
    ok = x > 0
    return jnp.where(ok, jnp.log(jnp.where(ok, x, 1.0)), 0.0).sum()


def running_maximum(x: Any) -> Any:
    return jax.lax.scan(lambda most, each: (jnp.maximum(most, each), None), -jnp.inf, x)[0]


def infinity_that_becomes_zero(x: Any) -> Any:
    return jnp.exp(jnp.where(x > 0, -jnp.inf, x)).sum()


def one_over_infinity(x: Any) -> Any:
    return x.sum() + jax.lax.stop_gradient(1 / jnp.exp(200 + x)).sum()


def not_chosen(x: Any) -> Any:
    logs = jax.lax.stop_gradient(jnp.log(x - 10))
    return jnp.where(x > 10, logs, x**2).sum()


def safe_norm(x: Any) -> Any:
    return optax.safe_norm(0 * x, 1e-3)


def cross_entropy(x: Any) -> Any:
    return optax.softmax_cross_entropy_with_integer_labels(100 * x[None], jnp.array([0])).mean()


def logsumexp_of_nothing(x: Any) -> Any:
    return jax.nn.logsumexp(x, where=CAUSAL[1], initial=0.0) if False else jax.nn.logsumexp(jnp.append(x, -jnp.inf))


def entropy_by_xlogy(x: Any) -> Any:
    p = jax.nn.softmax(jax.lax.stop_gradient(500 * x)) + 0 * x
    return -jax.scipy.special.xlogy(p, jnp.maximum(p, 1e-30)).sum()


def a_branch_not_taken(x: Any) -> Any:
    return jax.lax.cond(x[0] > 0, lambda x: jnp.log(-x * 0).sum(), lambda x: x.sum(), x)


HEALTHY = (
    attention_with_a_mask,
    double_where,
    running_maximum,
    infinity_that_becomes_zero,
    one_over_infinity,
    not_chosen,
    safe_norm,
    cross_entropy,
    logsumexp_of_nothing,
    entropy_by_xlogy,
    a_branch_not_taken,
)


@pytest.mark.parametrize("fn", HEALTHY, ids=lambda fn: fn.__name__)
def test_nothing_is_accused(fn: Any) -> None:
    report = nnw.nan_origin(fn, X)
    assert report.finite, repr(report)
    assert (report.forward, report.backward, report.results) == (None, None, ())
    assert report.headline == "everything is finite: no NaN, no infinity"
