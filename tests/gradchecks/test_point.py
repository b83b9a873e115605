"""A point's directions, and what gradients, rows and errors are along them."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import jax
import numpy as np
import pytest

from nnwidgets.gradchecks._by_tensor import products
from nnwidgets.gradchecks._point import Point
from nnwidgets.gradchecks._rows import make_rows
from nnwidgets.gradchecks._signs import both_signs

OFFSETS = np.array([0, 6, 6, 7, 47])


def point(gradients: Any, exact: Any = None, seed: int = 0, offsets: Any = OFFSETS) -> Point:
    gradients = np.atleast_2d(np.asarray(gradients, float))
    exact = None if exact is None else np.atleast_2d(np.asarray(exact, float))
    across = products(signs(offsets, np.uint32(seed))[:, None], gradients, offsets)
    return Point([], offsets, np.zeros(len(gradients)), gradients, np.uint32(seed), across, exact)


def signs(offsets: np.ndarray, seed: Any) -> np.ndarray:
    """Both patterns (2, numbers)."""
    with jax.enable_x64(True):
        return np.asarray(both_signs(int(offsets[-1]), seed))


def slices(at: Point) -> list[slice]:
    """Where each tensor lies."""
    return [slice(*edges) for edges in pairwise(at.offsets.tolist())]


def directions(at: Point) -> np.ndarray:
    """Both of all tensors (2, numbers)."""
    lean, side = (np.repeat(each, np.diff(at.offsets), axis=1) for each in at.factors)
    return lean * at.gradients.sum(axis=0) + side * signs(at.offsets, at.seed)


def random(parts: int = 1) -> np.ndarray:
    return np.random.default_rng(0).standard_normal((parts, 47))


GRADIENTS = {"random": random()[0], "equal": np.ones(47), "one entry": np.eye(47)[0], "tiny": 1e-150 * random()[0]}


@pytest.mark.parametrize("kind", GRADIENTS)
def test_directions_have_norm_1_in_each_tensor(kind: str) -> None:
    for seed in range(50):
        at = point(GRADIENTS[kind], seed=seed)
        for here in slices(at):
            if here.stop > here.start:
                np.testing.assert_allclose(np.linalg.norm(directions(at)[:, here], axis=1), 1.0, rtol=1e-12)


@pytest.mark.parametrize("kind", GRADIENTS)
def test_the_first_direction_leans_on_the_gradient(kind: str) -> None:
    """A random direction may be orthogonal to a gradient, or its very opposite; this one is neither."""
    for seed in range(50):
        at = point(GRADIENTS[kind], seed=seed)
        for here in slices(at):
            size = np.linalg.norm(at.gradients[0, here])
            if size:
                assert directions(at)[0, here] @ at.gradients[0, here] > 0.01 * size, (seed, here)


def test_every_coordinate_moves_in_the_random_direction() -> None:
    at = point(random())
    for here in slices(at):
        np.testing.assert_allclose(np.abs(directions(at)[1, here]), max(here.stop - here.start, 1) ** -0.5)
    other = point(random(), seed=1)
    assert (directions(at)[1] != directions(other)[1]).any()


def test_a_zero_gradient_still_has_a_direction() -> None:
    at = point(np.zeros(47))
    np.testing.assert_allclose(np.linalg.norm(directions(at)[0, :6]), 1.0)


def test_derivatives_along_the_rows() -> None:
    at = point(random(parts=2))
    rows = make_rows([0, 2, 3, -1, -1, 3, 0], [0, 1, 1, 0, 1, 0, 0], [-1, -1, -1, -1, -1, 40, 3])
    whole = np.concatenate([np.full(here.stop - here.start, w) for here, w in zip(slices(at), at.weights, strict=True)])
    unit = np.eye(47)
    lines = [
        np.r_[directions(at)[0, :6], np.zeros(41)],
        np.r_[np.zeros(6), directions(at)[1, 6:7], np.zeros(40)],
        np.r_[np.zeros(7), directions(at)[1, 7:]],
        whole * directions(at)[0],
        whole * directions(at)[1],
        unit[40],
        unit[3],
    ]
    np.testing.assert_allclose(at.analytic(rows), np.array(lines) @ at.gradients.T, rtol=1e-12)


def test_through_all_tensors_each_counts_alike() -> None:
    gradient = np.r_[100 * np.ones(6), 1.0, 1e-9 * np.ones(40)]
    at = point(gradient)
    norms = [float(np.linalg.norm(gradient[here])) for here in slices(at)]
    # the last tensor's gradient is nothing: it is not blown up
    np.testing.assert_allclose(at.weights * np.array([norms[0], 1, 1, 1]), np.array([norms[2], 1, 1, 1]), atol=4)
    assert at.weights.max() == 1.0 and np.isfinite(at.weights).all()


def test_errors_are_over_the_largest_entry_of_a_tensor() -> None:
    gradient, exact = np.ones(47), np.ones(47)
    exact[3], exact[6], exact[20] = 2.0, 1.5, 0.9
    at = point(gradient, exact)
    assert at.forward_errors is not None
    np.testing.assert_allclose(at.forward_errors[0, [0, 2, 3]], [0.5, 1 / 3, 0.1])
    assert [at.furthest(t) for t in (0, 2, 3)] == [3, 6, 20]


def test_rounding_of_a_gradient_that_is_zero_is_no_error() -> None:
    gradient = np.r_[np.full(6, 1e-17), 0.0, np.ones(40)]
    at = point(gradient, np.r_[np.full(6, -1e-17), 0.0, np.ones(40)])
    assert at.forward_errors is not None and at.forward_errors.max() < 1e-9


def test_the_worse_part_counts() -> None:
    gradients, exact = random(parts=2), random(parts=2)
    exact[1, 10] += 100.0
    at = point(gradients, exact)
    assert at.forward_errors is not None and at.furthest(3) == 10
    assert at.forward_errors[0].max() == 0.0 and at.forward_errors[1, 3] > 0.9
