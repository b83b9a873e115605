"""Sums and extremes of each tensor: what loops over the tensors give."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

from nnwidgets.gradchecks import _by_tensor
from nnwidgets.gradchecks._by_tensor import gaps, largest, norm, norms, products


def sums(values: np.ndarray, offsets: np.ndarray) -> np.ndarray:
    return products(values, np.ones(values.shape[-1]), offsets)


@pytest.mark.parametrize("piece", [1, 3, 4, 100])
@pytest.mark.parametrize("offsets", ([0, 4, 10], [0, 0, 4, 4, 10], [0, 4, 10, 10], [0, 10], [0, 0], [0]))
def test_each_tensor_by_itself(offsets: list[int], piece: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_by_tensor, "PIECE", piece)
    values = np.random.default_rng(0).standard_normal((3, 2, offsets[-1]))
    each = [values[..., start:stop] for start, stop in pairwise(offsets)]
    for function, alone in (
        (sums, lambda part: part.sum(axis=-1)),
        (largest, lambda part: np.abs(part).max(axis=-1, initial=0.0)),
        (norms, lambda part: np.linalg.norm(part, axis=-1)),
    ):
        wanted = np.stack([alone(part) for part in each], axis=-1) if each else np.zeros((3, 2, 0))
        np.testing.assert_allclose(function(values, np.array(offsets)), wanted, rtol=1e-13, atol=1e-15)
    signs, other = np.sign(values[:1]).astype(np.int8), values[::-1]
    np.testing.assert_allclose(
        products(signs, values, np.array(offsets)), sums(signs * values, np.array(offsets)), rtol=1e-13, atol=1e-15
    )
    np.testing.assert_allclose(gaps(values, other, np.array(offsets)), largest(values - other, np.array(offsets)))


@pytest.mark.parametrize("piece", [1, 3, 100])
def test_nan_stays_in_its_tensor(piece: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_by_tensor, "PIECE", piece)
    values = np.array([1.0, np.nan, -3.0, 2.0])
    for function, wanted in ((largest, [np.nan, 3.0]), (sums, [np.nan, -1.0]), (norms, [np.nan, 13**0.5])):
        np.testing.assert_allclose(function(values, np.array([0, 2, 4])), wanted)


def test_the_norm_of_a_vector() -> None:
    values = np.random.default_rng(0).standard_normal(100_000)
    assert norm(values) == pytest.approx(np.linalg.norm(values), rel=1e-13) and norm(values[:0]) == 0.0
