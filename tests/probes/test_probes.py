"""What every probe owes: the same under jit, float32 out whatever goes in, one layout on every step."""

from __future__ import annotations

from typing import Any

import jax
import ml_dtypes
import numpy as np
import pytest

from nnwidgets.probes import DEFAULT_PROBES, PerLayer, make_plan, swallowed_updates
from tests.probes._made import VALUES, Watched, activated, after

PAIRS = (
    (Watched("Dense_0", "Dense_0"), VALUES),
    (after("relu"), np.maximum(VALUES, 0)),
    (after("tanh", "Dense_1"), np.tanh(VALUES)),
)
STEP = activated(*PAIRS)


def values(probe: Any) -> Any:
    return lambda step: {name: part.values for name, part in probe(step).items()}


# of 16-bit parameters alone; the others read everything
FOR_ALL = tuple(probe for probe in DEFAULT_PROBES if probe is not swallowed_updates)


@pytest.mark.parametrize("probe", FOR_ALL)
def test_the_same_under_jit(probe: Any) -> None:
    found, compiled = probe(STEP), jax.jit(values(probe))(STEP)
    assert found
    for name, part in found.items():
        assert isinstance(part, PerLayer)
        assert len(part.values) == len(part.layers)
        np.testing.assert_allclose(compiled[name], part.values, rtol=1e-6, err_msg=name)


@pytest.mark.parametrize("dtype", [np.float32, np.float16, ml_dtypes.bfloat16])
@pytest.mark.parametrize("probe", FOR_ALL)
def test_float32_out_whatever_goes_in(probe: Any, dtype: Any) -> None:
    found = jax.eval_shape(values(probe), activated(*PAIRS, dtype=dtype))
    assert {part.dtype for part in found.values()} == {np.dtype(np.float32)}


def test_together_they_are_three_programs() -> None:
    plans, notices = make_plan(DEFAULT_PROBES, STEP)
    assert notices == ()
    assert [plan.kind for plan in plans] == ["statistics", "histograms", "activations"]
    assert sum(len(plan.probes) for plan in plans) == len(FOR_ALL)
