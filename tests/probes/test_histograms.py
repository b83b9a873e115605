"""Bins against NumPy's, and which values a sample holds."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from nnwidgets.probes import histograms
from nnwidgets.probes._histograms import BINS, count_bins
from tests.probes._made import VALUES, snapshot

LARGEST = float(np.finfo(np.float32).max)
CASES = {
    "even": np.linspace(-1, 1, 600),
    "normal": np.random.default_rng(0).normal(2.0, 3.0, (31, 70)),
    "with nan and inf": np.r_[np.linspace(-1, 1, 600), np.nan, np.inf, -np.inf],
    "as wide as float32": np.linspace(-LARGEST, LARGEST, 61),
    "tiny": np.linspace(1.0, 5.0, 41) * 1e-33,
    "constant": np.full(7, 0.3),
    "nothing finite": np.full(3, np.nan),
    "empty": np.zeros((0, 2)),
    "scalar": np.float32(4.0),
    # each of 128 columns holds its own number
    "columns": np.tile(np.arange(128.0), (128, 1)),
}


@pytest.fixture(scope="module")
def found() -> dict[str, np.ndarray]:
    rows = jax.jit(count_bins)([jnp.asarray(values, jnp.float32) for values in CASES.values()])
    assert (rows.shape, rows.dtype) == ((len(CASES), 2 + BINS), jnp.float32)
    return dict(zip(CASES, np.asarray(rows), strict=True))


@pytest.mark.parametrize("name", ["even", "normal", "with nan and inf", "as wide as float32", "tiny"])
def test_bins_are_numpys(found: Any, name: str) -> None:
    values = CASES[name][np.isfinite(CASES[name])].astype(np.float32).astype(np.float64)
    counts, edges = np.histogram(values, BINS)
    np.testing.assert_allclose(found[name][:2], edges[[0, -1]], rtol=1e-6)
    # a value on an edge may be rounded to either side
    assert np.abs(np.cumsum(found[name][2:]) - np.cumsum(counts)).max() <= 1
    assert found[name][2:].sum() == len(values.ravel())


def test_a_constant_lies_in_the_first_bin(found: Any) -> None:
    for name, value, count in (("constant", np.float32(0.3), 7), ("scalar", 4.0, 1)):
        assert found[name][:3].tolist() == [value, value, count]
        assert found[name][3:].sum() == 0


@pytest.mark.parametrize("name", ["nothing finite", "empty"])
def test_nothing_to_count_is_all_zeros(found: Any, name: str) -> None:
    assert not found[name].any()


def test_a_sample_takes_all_columns_alike(found: Any) -> None:
    """16,384 values of 128 columns: every fourth would be of the same 32 columns, so it is every fifth."""
    counts = found["columns"][2:]
    assert counts.sum() == 3277
    assert found["columns"][:2].tolist() == [0, 127]
    per_bin = np.histogram(np.arange(128), BINS)[0]
    np.testing.assert_allclose(counts / counts.sum(), per_bin / 128, atol=0.002)


def test_no_arrays_give_no_rows() -> None:
    assert count_bins([]).shape == (0, 2 + BINS)


def test_each_tensor_has_its_histogram() -> None:
    rows = histograms(snapshot())
    assert sorted(rows) == ["gradient/histogram", "parameter/histogram", "update/histogram"]
    assert rows["gradient/histogram"].layers == ("b", "w")
    for what, factor in (("gradient", 1.0), ("update", 0.5), ("parameter", 1.0)):
        low, high, *counts = np.asarray(rows[f"{what}/histogram"].values)[1]
        assert (low, high, sum(counts)) == (-2.0 * factor, 1000.5 * factor, VALUES.size)
