"""Which number is which: the readings of gradient, update and parameter."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from nnwidgets.probes import Snapshot, norms, statistics, tensor_norms, update_ratio
from tests.probes._made import VALUES, snapshot

STEP = snapshot()


def test_norms_are_of_gradient_update_and_parameter() -> None:
    found = norms(STEP)
    assert sorted(found) == ["gradient/norm", "parameter/norm", "update/norm"]
    assert found["update/norm"].layers == ("b", "w")
    for what, factor in (("gradient", 1.0), ("update", 0.5), ("parameter", 1.0)):
        wanted = [0.0, float(factor * np.linalg.norm(VALUES))]
        assert found[f"{what}/norm"].values.tolist() == pytest.approx(wanted, rel=1e-6), what


def test_statistics_have_their_names() -> None:
    found = statistics(STEP)
    assert len(found) == 18
    wanted = {
        "mean": VALUES.mean(),
        "std": VALUES.std(),
        "min": -2,
        "max": 1000.5,
        "zero_fraction": 2 / 6,
        "nonfinite": 0,
    }
    for reading, value in wanted.items():
        np.testing.assert_allclose(found[f"gradient/{reading}"].values[1], value, rtol=1e-6, err_msg=reading)
    assert float(found["update/max"].values[1]) == 500.25


def test_update_ratio_is_update_over_parameter() -> None:
    three, four = {"w": jnp.float32([3.0, 0.0])}, {"w": jnp.float32([0.0, 4.0])}
    ratio = update_ratio(Snapshot(jnp.float32(0), params=four, grads=four, updates=three, paths=("w",)))
    assert ratio["update/ratio"].values.tolist() == [0.75]


def test_the_ratio_of_a_frozen_tensor_is_0_and_beside_nothing_it_is_nan() -> None:
    params, updates = {"a": jnp.ones(2), "b": jnp.zeros(2)}, {"a": jnp.zeros(2), "b": jnp.ones(2)}
    ratio = update_ratio(Snapshot(jnp.float32(0), params, params, updates, ("a", "b")))["update/ratio"].values
    np.testing.assert_array_equal(ratio, [0.0, np.nan])


def test_the_norms_inside_a_users_own_step() -> None:
    trees = STEP.grads, STEP.updates, STEP.params
    found = jax.jit(tensor_norms)(*jax.tree.map(lambda leaf: leaf.astype(jnp.bfloat16), trees))
    assert (found.shape, found.dtype) == ((3, 2), jnp.float32)
    exact = [np.linalg.norm(np.asarray(jnp.bfloat16(VALUES), np.float64)) * factor for factor in (1.0, 0.5, 1.0)]
    np.testing.assert_allclose(found, [[0.0, each] for each in exact], rtol=1e-6)
