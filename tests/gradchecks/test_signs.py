"""Random signs: as many of each, of no pattern, other ones for each seed, the same wherever they are made."""

from __future__ import annotations

import jax
import numpy as np
import pytest

from nnwidgets.gradchecks._signs import both_signs, signs

MANY = 100_000


@pytest.mark.parametrize("seed", [0, 1, 2, 1000, 2**31, 2**32 - 1])
def test_signs_are_as_random_as_a_coin(seed: int) -> None:
    """Means of products with themselves shifted, and of both patterns, within five standard deviations of zero."""
    with jax.enable_x64(True):
        found = np.asarray(both_signs(MANY, np.uint32(seed)))
        other = np.asarray(both_signs(MANY, np.uint32((seed + 1) % 2**32)))
    assert set(np.unique(found)) == {-1, 1} and found.dtype == np.int8
    found, other = found.astype(float), other.astype(float)
    products = [*found, found[0] * found[1], *(found * other), found[0] * other[1], found[1] * other[0]]
    products += [found[0] * np.roll(found[0], by) for by in (1, 2, 3, 8, 64, 100, 256, 784, 1024, 4096)]
    assert np.abs(np.mean(products, axis=1)).max() < 5 / np.sqrt(MANY)


def test_they_are_the_same_wherever_they_are_made() -> None:
    with jax.enable_x64(True):
        whole = both_signs(1000, np.uint32(7))
        for which in (0, 1):
            traced = jax.jit(lambda w: signs(100, 200, np.uint32(7), w))(np.int32(which))
            np.testing.assert_array_equal(whole[which, 100:200], traced)
