"""The seven numbers against NumPy in float64."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import ml_dtypes
import numpy as np
import pytest

from nnwidgets.probes._summary import Summary, summarize

NORMAL = np.random.default_rng(0).normal(0.3, 1.0, (37, 41))
SPARSE = np.where(NORMAL > 0, NORMAL, 0.0)
FINITE = {
    "float32": SPARSE.astype(np.float32),
    "float16": SPARSE.astype(np.float16),
    "bfloat16": SPARSE.astype(ml_dtypes.bfloat16),
    "too large for a table": np.tile(SPARSE, (6, 1)).astype(np.float32),
    "too large for a table, bfloat16": np.tile(SPARSE, (6, 1)).astype(ml_dtypes.bfloat16),
    "huge": np.float32(NORMAL[:5] * 1e30),
    "huge, bfloat16": (NORMAL[:5] * 1e30).astype(ml_dtypes.bfloat16),
    "tiny": np.float32(NORMAL[:5] * 1e-30),
    "huge beside tiny": np.float32([1e30, 1e-30, 0.0]),
    "constant": np.full(9, 0.5, np.float32),
    "zeros": np.zeros((2, 2), np.float32),
    "scalar": np.float32(-2.5),
    "whole numbers": np.arange(-3, 9, dtype=np.int32),
}
NOT_FINITE = {
    "nan and inf": np.float32([1.0, np.nan, 0.0, np.inf]),
    "inf": np.float32([0.0, -np.inf, 2.0]),
    "a finite neighbour": np.float32([3.0, 4.0]),
    "large": np.float32([np.nan] + 9_999 * [0.0]),
    "nothing": np.zeros((0, 3), np.float32),
}


def summaries(cases: dict[str, Any]) -> dict[str, dict[str, np.float32]]:
    found = jax.jit(summarize)([jnp.asarray(array) for array in cases.values()])
    assert all(row.dtype == jnp.float32 and row.shape == (len(cases),) for row in found)
    return {name: {r: np.asarray(row)[i] for r, row in found._asdict().items()} for i, name in enumerate(cases)}


@pytest.fixture(scope="module")
def finite() -> dict[str, dict[str, np.float32]]:
    return summaries(FINITE)


@pytest.fixture(scope="module")
def not_finite() -> dict[str, dict[str, np.float32]]:
    return summaries(NOT_FINITE)


@pytest.mark.parametrize("name", FINITE)
def test_they_are_numpys(finite: Any, name: str) -> None:
    values = np.asarray(FINITE[name], np.float64)
    wanted = (
        *(np.linalg.norm(values), values.mean(), values.std(), values.min(), values.max()),
        *(np.mean(values == 0), 0.0),
    )
    for reading, value in zip(Summary._fields, wanted, strict=True):
        near = 1e-6 * np.abs(values).max() if reading in ("mean", "std") else 0.0
        np.testing.assert_allclose(finite[name][reading], value, rtol=2e-6, atol=near, err_msg=reading)


def test_a_constant_has_no_spread_at_all(finite: Any) -> None:
    assert [finite[name]["std"] for name in ("constant", "zeros", "scalar")] == [0, 0, 0]


def test_a_small_spread_beside_a_large_mean_keeps_its_digits() -> None:
    values = (1000 + SPARSE / 100).astype(np.float32)
    (std,) = jax.jit(summarize)([values]).std
    assert float(std) == pytest.approx(values.astype(np.float64).std(), rel=1e-3)


def test_a_nan_shows(not_finite: Any) -> None:
    for name in ("nan and inf", "large"):
        assert all(np.isnan(not_finite[name][reading]) for reading in ("norm", "mean", "std", "min", "max"))


def test_an_infinity_shows(not_finite: Any) -> None:
    found = not_finite["inf"]
    assert (found["norm"], found["min"], found["max"]) == (np.inf, -np.inf, 2.0)
    assert np.isnan(found["std"])


def test_zeros_and_what_is_not_finite_are_counted_exactly(not_finite: Any) -> None:
    counts = {name: (found["zero_fraction"], found["nonfinite"]) for name, found in not_finite.items()}
    assert counts == {
        "nan and inf": (0.25, 2),
        "inf": (np.float32(1 / 3), 1),
        "a finite neighbour": (0, 0),
        "large": (np.float32(0.9999), 1),
        "nothing": (1, 0),
    }


def test_the_neighbours_of_a_nan_are_as_they_were(not_finite: Any) -> None:
    found = not_finite["a finite neighbour"]
    assert [found[reading] for reading in ("norm", "mean", "std", "min", "max")] == [5, 3.5, 0.5, 3, 4]


def test_no_arrays_give_no_numbers() -> None:
    assert all(reading.shape == (0,) for reading in summarize([]))
