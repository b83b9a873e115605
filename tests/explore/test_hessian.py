"""Hessian-vector products, eigenvalues and traces, against the whole Hessian."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from jax.flatten_util import ravel_pytree

from nnwidgets.explore.curvature._hessian import hessian_vector_product, spectrum, top_eigenvalues, trace_samples

RANDOM = np.random.default_rng(0)
INPUTS = RANDOM.normal(size=(64, 6)).astype(np.float32)
LABELS = RANDOM.integers(0, 4, 64)
PARAMS = {
    "hidden": {"w": RANDOM.normal(size=(6, 28)).astype(np.float32) / 2, "b": np.zeros(28, np.float32)},
    "head": RANDOM.normal(size=(28, 4)).astype(np.float32) / 3,
}
SCALE = jax.tree.map(lambda leaf: RANDOM.uniform(0.3, 2, leaf.shape).astype(np.float32), PARAMS)


def _loss(params: Any) -> jax.Array:
    x = jnp.tanh(INPUTS @ params["hidden"]["w"] + params["hidden"]["b"])
    return optax.softmax_cross_entropy_with_integer_labels(x @ params["head"], LABELS).mean()


@pytest.fixture(scope="module")
def whole() -> np.ndarray:
    """The Hessian of the network with 308 parameters, made in float64."""
    with jax.enable_x64(True):
        flat, tree = ravel_pytree(jax.tree.map(lambda leaf: jnp.asarray(leaf, jnp.float64), PARAMS))
        return np.asarray(jax.hessian(lambda flat: _loss(tree(flat)))(flat))


def _product(vector: Any) -> Any:
    return hessian_vector_product(_loss, PARAMS)(vector)


def test_a_product_is_that_with_the_matrix(whole: np.ndarray) -> None:
    vector = jax.tree.map(lambda leaf: RANDOM.normal(size=leaf.shape).astype(np.float32), PARAMS)
    found = ravel_pytree(_product(vector))[0]
    np.testing.assert_allclose(found, whole @ np.asarray(ravel_pytree(vector)[0]), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_eigenvalues_are_those_of_the_matrix(whole: np.ndarray, seed: int) -> None:
    values, residuals = jax.jit(lambda key: top_eigenvalues(_product, PARAMS, key, count=3, iterations=40))(
        jax.random.key(seed)
    )
    np.testing.assert_allclose(values, np.linalg.eigvalsh(whole)[::-1][:3], rtol=1e-3)
    assert (residuals <= 3.1e-3 * values[0]).all()


def test_eigenvalues_of_a_preconditioned_matrix(whole: np.ndarray) -> None:
    scale = np.asarray(ravel_pytree(SCALE)[0], np.float64)
    found = jax.jit(lambda key: top_eigenvalues(_product, PARAMS, key, count=2, iterations=40, scale=SCALE))(
        jax.random.key(0)
    )
    expected = np.linalg.eigvalsh(scale[:, None] * whole * scale)[::-1][:2]
    np.testing.assert_allclose(found[0], expected, rtol=1e-3)
    assert abs(expected[0] / np.linalg.eigvalsh(whole)[-1] - 1) > 0.1


def test_it_stops_as_soon_as_the_residual_is_small(whole: np.ndarray) -> None:
    def run(tolerance: float) -> Any:
        return jax.jit(lambda key: spectrum(_product, PARAMS, key, iterations=40, tolerance=tolerance))(
            jax.random.key(0)
        )

    rough, exact = run(1e-2), run(1e-6)
    assert rough.products < exact.products <= 40
    assert rough.residuals[0] <= 1e-2 * rough.values[0]
    values, vectors = np.linalg.eigh(whole)
    # some eigenvalue lies as near as the residual says
    assert np.abs(values - float(rough.values[0])).min() <= float(rough.residuals[0])
    assert abs(np.asarray(ravel_pytree(exact.vector)[0]) @ vectors[:, -1]) == pytest.approx(1, abs=1e-4)
    assert exact.lowest == pytest.approx(values[0], rel=0.05)


def _diagonal(values: Any, **options: Any) -> Any:
    values = jnp.asarray(values, jnp.float32)
    run = jax.jit(lambda values, key: spectrum(lambda vector: values * vector, values, key, **options))
    return run(values, jax.random.key(0))


def test_a_small_matrix_has_no_more_eigenvalues_than_rows() -> None:
    found = _diagonal([3.0, -7.0], count=3)
    np.testing.assert_allclose(found.values, [3, -7, np.nan], rtol=1e-5)
    assert found.lowest == pytest.approx(-7, rel=1e-5)
    assert found.products == 2


def test_negative_eigenvalues_are_not_taken_for_large_ones() -> None:
    found = _diagonal(-np.arange(1.0, 31.0), count=2, iterations=30, tolerance=1e-6)
    np.testing.assert_allclose(found.values, [-1, -2], rtol=1e-3)
    assert found.lowest == pytest.approx(-30, rel=1e-4)


def test_where_the_first_vector_leads_no_further_another_one_does() -> None:
    # a matrix of rank 1 and one that stretches everything alike: one product shows all that it holds
    found = _diagonal([5.0, *[0.0] * 30], count=2, iterations=10)
    np.testing.assert_allclose(found.values, [5, 0], atol=1e-4)
    np.testing.assert_allclose(_diagonal([2.0] * 30, count=3, iterations=10).values, [2, 2, 2], rtol=1e-5)


def test_a_matrix_of_zeros() -> None:
    found = _diagonal([0.0] * 5, count=2)
    assert found.values.tolist() == [0, 0]


def test_what_is_not_finite_ends_at_once_and_says_so() -> None:
    found = _diagonal([1.0, np.nan, 2.0, *[1.0] * 20], count=1, iterations=20)
    assert np.isnan(found.values[0])
    assert found.products <= 2


def test_the_trace_and_the_spread_of_its_estimates(whole: np.ndarray) -> None:
    found = np.asarray(jax.jit(lambda key: trace_samples(_product, PARAMS, key, 400))(jax.random.key(0)), np.float64)
    variance = 2 * (np.sum(whole**2) - np.sum(np.diag(whole) ** 2))
    assert found.mean() == pytest.approx(np.trace(whole), abs=4 * np.sqrt(variance / 400))
    assert found.var() == pytest.approx(variance, rel=0.3)


def test_the_trace_of_a_diagonal_matrix_is_exact() -> None:
    values = jnp.array([1.0, 2.0, -4.0])
    found = jax.jit(lambda key: trace_samples(lambda vector: vector * values, values, key, 3))(jax.random.key(0))
    assert found.tolist() == [-1, -1, -1]


def test_parameters_of_lower_precision_keep_theirs() -> None:
    params = {"w": jnp.ones(3, jnp.bfloat16)}
    seen = []

    def product(vector: Any) -> Any:
        seen.append(vector["w"].dtype)
        return {"w": vector["w"] * jnp.array([1, 2, 4], jnp.bfloat16)}

    values, _ = jax.jit(lambda key: top_eigenvalues(product, params, key, count=1, iterations=3))(jax.random.key(0))
    assert values.dtype == jnp.float32
    assert set(seen) == {jnp.dtype(jnp.bfloat16)}
    assert values[0] == pytest.approx(4, rel=0.05)
