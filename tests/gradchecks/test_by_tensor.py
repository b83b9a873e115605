"""Sums and extremes of each tensor: what loops over the tensors give."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

from nnwidgets.gradchecks._by_tensor import largest, norm, norms, sums


@pytest.mark.parametrize("offsets", ([0, 4, 10], [0, 0, 4, 4, 10], [0, 4, 10, 10], [0, 10], [0, 0], [0]))
def test_each_tensor_by_itself(offsets: list[int]) -> None:
    values = np.random.default_rng(0).standard_normal((3, 2, offsets[-1]))
    each = [values[..., start:stop] for start, stop in pairwise(offsets)]
    for function, alone in (
        (sums, lambda part: part.sum(axis=-1)),
        (largest, lambda part: np.abs(part).max(axis=-1, initial=0.0)),
        (norms, lambda part: np.linalg.norm(part, axis=-1)),
    ):
        wanted = np.stack([alone(part) for part in each], axis=-1) if each else np.zeros((3, 2, 0))
        np.testing.assert_allclose(function(values, np.array(offsets)), wanted, rtol=1e-13, atol=1e-15)


def test_nan_stays_in_its_tensor() -> None:
    values = np.array([1.0, np.nan, -3.0, 2.0])
    for function, wanted in ((largest, [np.nan, 3.0]), (sums, [np.nan, -1.0]), (norms, [np.nan, 13**0.5])):
        np.testing.assert_allclose(function(values, np.array([0, 2, 4])), wanted)


def test_the_norm_of_a_vector() -> None:
    values = np.random.default_rng(0).standard_normal(100_000)
    assert norm(values) == pytest.approx(np.linalg.norm(values), rel=1e-13) and norm(values[:0]) == 0.0
