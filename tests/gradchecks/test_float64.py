"""Programs traced in low precision, evaluated in float64: against NumPy, where float32 would be seven digits short."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import flax.linen as linen
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
import scipy.special

from nnwidgets.gradchecks import gradcheck
from nnwidgets.gradchecks._float64 import Float64, promoted

X = np.random.default_rng(0).standard_normal((3, 4)).astype(np.float32)
SQUARE = (X[:, :3] @ X[:, :3].T + 3 * np.eye(3)).astype(np.float32)
WIDE, WIDE_SQUARE = X.astype(np.float64), SQUARE.astype(np.float64)
# a constant is what float32 made of it; what the program computes is computed anew
THIRD = np.float32(1 / 3)
WIDE_THIRD = np.float64(THIRD)
KEY = jax.random.key(3)


def evaluate(function: Callable[..., Any], *args: Any) -> tuple[Any, Float64]:
    """The function's first output in float64, and what evaluated it."""
    closed = jax.make_jaxpr(function)(*args)
    with jax.enable_x64(True):
        float64 = Float64()

        def run(inputs: list[Any]) -> list[Any]:
            return float64(closed, [promoted(each, aval) for each, aval in zip(inputs, closed.in_avals, strict=True)])

        return np.asarray(jax.jit(run)(list(jax.tree.leaves(args)))[0]), float64


def scan(x: Any) -> Any:
    return jax.lax.scan(lambda carry, row: (jnp.tanh(carry + row), carry.sum()), jnp.full(4, THIRD), x)[1]


def scan_by_hand() -> np.ndarray:
    carry, sums = np.full(4, WIDE_THIRD), []
    for row in WIDE:
        sums.append(carry.sum())
        carry = np.tanh(carry + row)
    return np.array(sums)


def newton(x: Any) -> Any:
    """The square root, by a loop that stops when it is found: a test on floats decides how often."""
    return jax.lax.while_loop(lambda s: jnp.abs(s * s - x) > 1e-3 * x, lambda s: 0.5 * (s + x / s), x)


def newton_by_hand() -> float:
    x = s = np.float64(np.float32(7))
    while abs(s * s - x) > 1e-3 * x:
        s = 0.5 * (s + x / s)
    return s


def segments(x: Any) -> Any:
    return jnp.full((2, 4), THIRD).at[jnp.array([1, 0, 1])].add(x)


CASES = {
    "constants": (lambda x: x * THIRD + jnp.linspace(0, 1, 4), X, WIDE * WIDE_THIRD + np.linspace(0, 1, 4)),
    "product": (lambda x: x @ x.T, X, WIDE @ WIDE.T),
    "exp and sum": (lambda x: jnp.exp(x).sum(0), X, np.exp(WIDE).sum(0)),
    "log-sum-exp": (jax.nn.logsumexp, X, np.log(np.exp(WIDE).sum())),
    "erf": (jax.scipy.special.erf, X, scipy.special.erf(WIDE)),
    "scatter-add": (segments, X, np.stack([WIDE[1], WIDE[0] + WIDE[2]]) + WIDE_THIRD),
    "scatter": (lambda x: jnp.zeros((4, 4)).at[1:].set(x**2), X, np.r_[np.zeros((1, 4)), WIDE**2]),
    "scatter-max": (lambda x: jnp.zeros(4).at[0].max(x.sum()), X, np.r_[max(WIDE.sum(), 0), np.zeros(3)]),
    "scatter-mul": (lambda x: jnp.full(4, THIRD).at[2].multiply(x[0, 0]), X, WIDE_THIRD * np.r_[1, 1, WIDE[0, 0], 1]),
    "scan": (scan, X, scan_by_hand()),
    "while": (newton, np.float32(7), newton_by_hand()),
    "cond": (lambda x: jax.lax.cond(x[0, 0] > 0, jnp.sin, jnp.cos, x), X, (np.sin if X[0, 0] > 0 else np.cos)(WIDE)),
    "fori loop": (lambda x: jax.lax.fori_loop(0, 3, lambda _, y: jnp.sin(y), x), X, np.sin(np.sin(np.sin(WIDE)))),
    "half precision": (lambda x: (x.astype(jnp.bfloat16) * 3).astype(jnp.float16), X, 3 * WIDE),
    "accumulated in another": (
        lambda x: jnp.matmul(x.astype(jnp.bfloat16), x.T.astype(jnp.bfloat16), preferred_element_type=jnp.float32),
        X,
        WIDE @ WIDE.T,
    ),
    "reduced precision": (lambda x: jax.lax.reduce_precision(x, 5, 3) ** 2, X, WIDE**2),
    "rounding to integers": (lambda x: (10 * x).astype(jnp.int8).astype(jnp.float32), X, np.trunc(10 * WIDE)),
    "fft": (lambda x: jnp.abs(jnp.fft.rfft(x)), X, np.abs(np.fft.rfft(WIDE))),
    "cholesky": (jnp.linalg.cholesky, SQUARE, np.linalg.cholesky(WIDE_SQUARE)),
    "solve": (lambda a: jnp.linalg.solve(a, jnp.ones(3)), SQUARE, np.linalg.solve(WIDE_SQUARE, np.ones(3))),
    "determinant": (lambda a: jnp.linalg.slogdet(a)[1], SQUARE, np.linalg.slogdet(WIDE_SQUARE)[1]),
    "remat, jit and vmap": (jax.checkpoint(jax.jit(jax.vmap(jnp.sin))), X, np.sin(WIDE)),
    "derivatives": (jax.grad(lambda x: jnp.sin(x).sum()), X, np.cos(WIDE)),
}


@pytest.mark.parametrize("name", CASES)
def test_it_is_as_exact_as_numpy(name: str) -> None:
    function, given, wanted = CASES[name]
    found, float64 = evaluate(function, given)
    assert found.dtype == np.float64 and not float64.foreign
    np.testing.assert_allclose(found, wanted, rtol=1e-12, atol=1e-14)


def test_random_numbers_are_those_of_the_run() -> None:
    """The bits are drawn and turned into floats as they were traced, rounding included."""
    found, _ = evaluate(lambda x: x * jax.random.uniform(KEY, x.shape), np.ones((3, 4), np.float32))
    np.testing.assert_array_equal(found, np.asarray(jax.random.uniform(KEY, (3, 4)), np.float64))
    masked, _ = evaluate(lambda x: jnp.where(jax.random.bernoulli(KEY, 0.3, x.shape), x, 0), X)
    np.testing.assert_array_equal(masked, np.where(jax.random.bernoulli(KEY, 0.3, X.shape), WIDE, 0))
    shuffled, _ = evaluate(lambda x: jax.random.permutation(KEY, x.ravel()), X)
    np.testing.assert_array_equal(shuffled, np.asarray(jax.random.permutation(KEY, X.ravel()), np.float64))
    # computed from uniform ones in float64, so as near as float32 gets
    normal, _ = evaluate(lambda x: x + jax.random.normal(KEY, x.shape), np.zeros((3, 4), np.float32))
    np.testing.assert_allclose(normal, jax.random.normal(KEY, (3, 4)), rtol=1e-5)


def test_a_key_may_be_an_input() -> None:
    found, _ = evaluate(lambda key, x: x * jax.random.uniform(key, x.shape), KEY, np.ones(3, np.float32))
    np.testing.assert_array_equal(found, np.asarray(jax.random.uniform(KEY, (3,)), np.float64))


def test_integers_stay_what_they_were_traced_as() -> None:
    """Labels of NumPy's default integer are int32 for JAX; under 64 bits they would be int64, and wrap elsewhere."""
    found, _ = evaluate(lambda labels: (labels * 2**30) // 2, np.array([1, 2, 3]))
    assert found.dtype == np.int32
    np.testing.assert_array_equal(found, np.asarray(jax.jit(lambda labels: (labels * 2**30) // 2)(np.array([1, 2, 3]))))


class Noisy(linen.Module):
    dtype: Any

    @linen.compact
    def __call__(self, x: Any) -> Any:
        x = linen.relu(linen.LayerNorm(dtype=self.dtype)(linen.Dense(8, dtype=self.dtype)(x)))
        x = linen.Dropout(0.5, deterministic=False)(x)
        return linen.Dense(3, dtype=self.dtype)(x)


@pytest.mark.parametrize("dtype", [jnp.bfloat16, jnp.float32])
def test_a_module_in_any_precision_is_the_same_function(dtype: Any) -> None:
    """With dropout, labels of NumPy's default integer, and a loss in float32: the gradient is that of float64."""
    model, labels = Noisy(dtype), np.array([0, 2, 1])
    variables = Noisy(jnp.float32).init({"params": KEY, "dropout": KEY}, X)

    def loss(variables: Any) -> Any:
        outputs = model.apply(variables, X, rngs={"dropout": KEY}).astype(jnp.float32)
        return optax.softmax_cross_entropy_with_integer_labels(outputs, labels).mean()

    found = gradcheck(loss, variables, tier="quick")
    assert found.ok and found.precision == "float64"
    largest = max(each.own_error for each in found.tensors if each.own_error is not None)
    assert largest < 1e-5 if dtype == jnp.float32 else 1e-4 < largest < 0.1


def host_square(x: Any) -> Any:
    return jax.pure_callback(lambda x: x**2, jax.ShapeDtypeStruct(x.shape, x.dtype), x)


@jax.custom_vjp
def host_squared(x: Any) -> Any:
    return host_square(x)


host_squared.defvjp(lambda x: (host_square(x), x), lambda x, g: (2 * x * g,))


def test_a_callback_runs_in_its_own_precision_and_is_named() -> None:
    found, float64 = evaluate(lambda x: host_square(x) + 1, X)
    assert list(float64.foreign) == ["pure_callback"]
    assert str(float64.foreign["pure_callback"]).startswith(__file__)
    np.testing.assert_array_equal(found, np.float64(X**2) + 1)


def test_a_check_through_a_callback_says_so_and_is_coarser() -> None:
    report = gradcheck(lambda x: host_squared(x).sum(), X)
    assert report.ok
    assert report.precision == "float64, but single precision in pure_callback"
    assert (report.tensors[0].sensitivity or 0) > 1e-2
    # with a custom rule round it, no exact gradient: half a gradient is still seen
    wrong = gradcheck(lambda x: host_squared(x).sum(), X, grad=lambda x: x)
    assert wrong.verdict("x") == "wrong"


def test_a_callback_that_gives_integers_is_not_named() -> None:
    def count(x: Any) -> Any:
        return jax.pure_callback(lambda x: np.int32((x > 0).sum()), jax.ShapeDtypeStruct((), np.int32), x)

    _, float64 = evaluate(lambda x: count(x) * x, X)
    assert not float64.foreign


def test_nothing_global_changes() -> None:
    before = dict(jax.config.values)
    gradcheck(lambda x: (x**2).sum(), X, tier="quick")
    with pytest.raises(ZeroDivisionError):
        gradcheck(lambda x: 1 / 0, X)
    assert dict(jax.config.values) == before
    assert jnp.sin(X).dtype == jnp.float32 and jnp.arange(3).dtype == jnp.int32
    assert jax.jit(lambda x: x * 2.0)(X).dtype == jnp.float32


def test_it_works_in_float64_sessions_too() -> None:
    with jax.enable_x64(True):
        report = gradcheck(lambda x: (x**3).sum(), jnp.asarray(WIDE), tier="quick")
        assert report.ok and (report.tensors[0].own_error or 0) < 1e-14
        assert jnp.ones(2).dtype == jnp.float64


def test_callers_who_forbid_promotion_are_not_broken() -> None:
    with jax.numpy_dtype_promotion("strict"), jax.numpy_rank_promotion("raise"):
        assert gradcheck(lambda x: (x * x).sum(), X, tier="quick").ok
