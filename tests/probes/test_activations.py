"""Spread, dead units and saturated units of activations whose numbers are known."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from nnwidgets.probes import Snapshot, activation_histograms, activation_statistics, dead_units, saturated_units
from nnwidgets.probes._activations import FLAT
from tests.probes._made import Watched, activated, after, snapshot

NORMAL = np.random.default_rng(0).normal(2.0, 3.0, (4, 6))
# units 0 and 2 of four are dead; unit 3 is alive in one example
RELU = np.array([[0, 1, 0, 0], [0, 2, 0, 0], [0, 0, 0, 3]], np.float32)


def read(probe: Any, step: Snapshot) -> dict[str, dict[str, Any]]:
    """For each reading its values by layer, from a compiled probe."""
    layers: dict[str, tuple[str, ...]] = {}

    def values(step: Snapshot) -> dict[str, Any]:
        found = probe(step)
        layers.update({name: part.layers for name, part in found.items()})
        return {name: part.values for name, part in found.items()}

    found = jax.jit(values)(step)
    return {name: dict(zip(layers[name], np.asarray(row).tolist(), strict=True)) for name, row in found.items()}


def test_statistics_are_numpys_and_only_of_outputs() -> None:
    step = activated(
        (Watched("Dense_0", "Dense_0"), NORMAL),
        (after("relu"), RELU),
        (Watched("Dense_0 again", "Dense_0"), NORMAL[:2] - 100),
    )
    found = read(activation_statistics, step)
    # a layer that is called again is told apart
    for layer, values in (("Dense_0", NORMAL), ("Dense_0 (2)", NORMAL[:2] - 100)):
        assert found["activation/mean"].pop(layer) == pytest.approx(values.mean(), rel=1e-6)
        assert found["activation/std"].pop(layer) == pytest.approx(values.std(), rel=1e-5)
    assert found == {"activation/mean": {}, "activation/std": {}}


def test_whole_numbers_and_empty_outputs_are_not_read() -> None:
    step = activated((Watched("argmax", "argmax"), np.int32([1, 2])), (Watched("none", "none"), np.zeros((0, 2))))
    assert activation_statistics(step) == activation_histograms(step) == {}


def test_histograms_count_the_outputs() -> None:
    step = activated((Watched("Dense_0", "Dense_0"), NORMAL))
    low, high, *counts = read(activation_histograms, step)["activation/histogram"]["Dense_0"]
    np.testing.assert_allclose([low, high], [NORMAL.min(), NORMAL.max()], rtol=1e-6)
    np.testing.assert_array_equal(counts, np.histogram(NORMAL, 30)[0])


def test_a_unit_is_dead_when_it_is_zero_for_every_example() -> None:
    step = activated((after("relu"), RELU), (after("relu6", "Dense_1"), RELU[:2]))
    assert read(dead_units, step)["activation/dead"] == {"Dense_0/relu": 0.5, "Dense_1/relu6": 0.75}


def test_a_channel_is_dead_when_it_is_zero_at_every_position_too() -> None:
    images = np.zeros((2, 3, 3, 4), np.float32)
    images[1, 2, 0, 3] = 1.0
    first = np.moveaxis(images, -1, 1)
    step = activated((after("relu", "Conv_0"), images), (after("relu", "Conv_1", unit_axis=-3), first))
    assert read(dead_units, step)["activation/dead"] == {"Conv_0/relu": 0.75, "Conv_1/relu": 0.75}


def test_an_output_of_one_axis_is_one_unit() -> None:
    step = activated((after("relu", "a"), np.float32([0, 0])), (after("relu", "b"), np.float32([0, 1])))
    assert read(dead_units, step)["activation/dead"] == {"a/relu": 1.0, "b/relu": 0.0}


def test_a_nan_is_alive() -> None:
    """Also in an array so large that XLA's max would lose it."""
    values = np.zeros((5000, 2), np.float32)
    values[17, 1] = np.nan
    assert read(dead_units, activated((after("relu"), values)))["activation/dead"] == {"Dense_0/relu": 0.5}


@pytest.mark.parametrize(
    ("function", "flat", "steep"),
    [
        ("tanh", np.tanh([2.2, -2.2]), np.tanh([2.1, -2.1, 0.0])),
        ("sigmoid", 1 / (1 + np.exp([4.4, -4.4])), 1 / (1 + np.exp([4.3, -4.3, 0.0]))),
        ("hard_tanh", [1.0, -1.0], [0.99, -0.99, 0.0]),
        ("hard_sigmoid", [1.0, 0.0], [0.99, 0.01, 0.5]),
    ],
)
def test_saturated_is_where_the_slope_is_below_a_twentieth(function: str, flat: Any, steep: Any) -> None:
    found = read(saturated_units, activated((after(function), np.r_[flat, steep].reshape(1, 5))))
    assert found["activation/saturated"] == {f"Dense_0/{function}": pytest.approx(2 / 5)}


def test_the_limits_of_saturation_are_where_they_are_said_to_be() -> None:
    assert FLAT["tanh"][1] ** 2 == pytest.approx(0.95, abs=1e-4)  # its slope is 1 - y^2, at most 1
    for low, high in (FLAT["sigmoid"], FLAT["logistic"]):
        assert (low * (1 - low), high * (1 - high)) == pytest.approx((0.0125, 0.0125), abs=1e-4)


def test_each_looks_at_its_own_functions() -> None:
    step = activated((after("relu"), RELU), (after("tanh", "Dense_1"), RELU), (after("gelu", ""), RELU))
    assert list(read(dead_units, step)["activation/dead"]) == ["Dense_0/relu"]
    assert list(read(saturated_units, step)["activation/saturated"]) == ["Dense_1/tanh"]


def test_a_function_outside_of_any_layer_has_its_own_name() -> None:
    assert list(read(dead_units, activated((after("relu", ""), RELU)))["activation/dead"]) == ["relu"]


@pytest.mark.parametrize("probe", [activation_statistics, activation_histograms, dead_units, saturated_units])
def test_a_model_without_them_gives_nothing(probe: Any) -> None:
    assert probe(snapshot()) == {}


def test_the_forward_pass_runs_once() -> None:
    calls: list[int] = []

    def capture(*arguments: Any) -> Any:
        calls.append(1)
        return {"Dense_0": jnp.ones((2, 2))}

    one = {"w": jnp.ones(())}
    watched: Any = (Watched("Dense_0", "Dense_0"),)
    step = Snapshot(jnp.float32(1), one, one, one, ("w",), watched=watched, capture=capture)
    read(lambda step: activation_statistics(step) | activation_histograms(step), step)
    assert len(calls) == 1
