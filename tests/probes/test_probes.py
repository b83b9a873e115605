"""Probes against NumPy in float64."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import ml_dtypes
import numpy as np
import pytest

from nnwidgets.probes import DEFAULT_PROBES, PerLayer, Snapshot, histograms, make_plan, norms, statistics, update_ratio
from nnwidgets.records import History

VALUES = np.array([[0.0, 1.0, -2.0], [3.0, 0.0, 1000.5]])


def snapshot(dtype: object = jnp.float32, values: np.ndarray = VALUES) -> Snapshot:
    tree = {"w": jnp.asarray(values, dtype), "b": jnp.zeros((), dtype)}
    return Snapshot(jnp.float32(1.0), tree, tree, jax.tree.map(lambda leaf: leaf / 2, tree), ("b", "w"))


@pytest.mark.parametrize("dtype", [np.float32, np.float16, ml_dtypes.bfloat16])
def test_statistics_are_numpys(dtype: type) -> None:
    found = {
        name: np.asarray(part.values) for name, part in (statistics(snapshot(dtype)) | norms(snapshot(dtype))).items()
    }
    exact = VALUES.astype(dtype).astype(np.float64)
    wanted = {
        "norm": np.linalg.norm(exact),
        "mean": exact.mean(),
        "std": exact.std(),
        "min": exact.min(),
        "max": exact.max(),
        "zero_fraction": 2 / 6,
        "nonfinite": 0,
    }
    for name, value in wanted.items():
        np.testing.assert_allclose(found[f"gradient/{name}"][1], value, rtol=1e-6, err_msg=name)
        assert found[f"gradient/{name}"].dtype == np.float32


def test_ratio_of_nothing_is_nan() -> None:
    ratio = update_ratio(snapshot())["update/ratio"].values
    assert np.isnan(ratio[0])
    assert float(ratio[1]) == pytest.approx(0.5)


def test_histogram_counts_what_is_finite() -> None:
    values = np.r_[np.linspace(-1, 1, 600), np.nan, np.inf]
    part = histograms(snapshot(values=values))["gradient/histogram"]
    low, high, *counts = np.asarray(part.values)[1]
    assert (low, high, sum(counts)) == (-1, 1, 600)
    np.testing.assert_array_equal(counts, np.histogram(np.linspace(-1, 1, 600).astype(np.float32), 30, (-1, 1))[0])


@pytest.mark.parametrize("probe", DEFAULT_PROBES)
def test_the_same_under_jit(probe: object) -> None:
    tree = snapshot()
    for name, part in probe(tree).items():  # pyright: ignore[reportCallIssue]
        compiled = jax.jit(lambda p, name=name: probe(Snapshot(tree.loss, p, p, p, tree.paths))[name].values)  # pyright: ignore
        same = probe(Snapshot(tree.loss, tree.params, tree.params, tree.params, tree.paths))[name]  # pyright: ignore
        assert isinstance(part, PerLayer)
        np.testing.assert_allclose(compiled(tree.params), same.values, rtol=1e-6)


def test_a_packed_vector_finds_its_way_back() -> None:
    plans, notices = make_plan(DEFAULT_PROBES, snapshot())
    assert ([plan.kind for plan in plans], notices) == (["statistics", "histograms"], ())
    history = History()
    for plan in plans:
        plan.write(history, 3, np.asarray(plan.packed(snapshot())))
    assert history["gradient/max"].values.tolist() == [[0.0, 1000.5]]
    assert history.histogram("update/histogram").high.tolist() == [0.0, 500.25]  # pyright: ignore


def test_a_wrong_probe_is_told_what_was_wanted() -> None:
    _, notices = make_plan((lambda snapshot: 3.0,), snapshot())  # pyright: ignore
    assert "wanted a mapping" in notices[0].message
