"""Directions scaled to the filters, and the principal plane of a path, against plain NumPy."""

from __future__ import annotations

import jax
import numpy as np
import pytest

from nnwidgets.explore.curvature._plane import filter_directions, principal_plane

RANDOM = np.random.default_rng(0)
PARAMS = {
    "conv": RANDOM.normal(size=(3, 3, 2, 4)).astype(np.float32),
    "dense": {"w": np.array([[1.0, 0], [2, 0], [2, 0]], np.float32), "b": np.ones(2, np.float32)},
    "scale": np.float32(2.0),
}


def test_each_filter_moves_by_its_own_size() -> None:
    first, second = filter_directions(PARAMS, 2, seed=3)
    for k in range(4):
        assert np.linalg.norm(first["conv"][..., k]) == pytest.approx(np.linalg.norm(PARAMS["conv"][..., k]), rel=1e-5)
    # the second filter is zero, and so does not move
    np.testing.assert_allclose(np.linalg.norm(first["dense"]["w"], axis=0), [3, 0], rtol=1e-5)
    assert not np.any(first["dense"]["b"])
    assert not np.any(first["scale"])
    assert jax.tree.structure(first) == jax.tree.structure(PARAMS)
    # independent ones, the same ones for the same seed
    cosine = np.sum(first["conv"] * second["conv"]) / np.linalg.norm(first["conv"]) / np.linalg.norm(second["conv"])
    assert abs(cosine) < 0.4
    np.testing.assert_array_equal(filter_directions(PARAMS, 1, seed=3)[0]["conv"], first["conv"])
    assert np.any(filter_directions(PARAMS, 1, seed=4)[0]["conv"] != first["conv"])


def test_filters_along_the_first_axis() -> None:
    (found,) = filter_directions({"w": PARAMS["dense"]["w"]}, 1, filters_first=True)
    np.testing.assert_allclose(np.linalg.norm(found["w"], axis=1), [1, 2, 2], rtol=1e-5)


def test_a_network_without_filters_moves_as_a_whole() -> None:
    (found,) = filter_directions({"w": np.array([3.0, 4.0], np.float32)}, 1)
    assert np.linalg.norm(found["w"]) == pytest.approx(5)


def _points(count: int) -> list[dict[str, np.ndarray]]:
    return [
        {"a": RANDOM.normal(size=(4, 3)).astype(np.float32) + 2 * k, "b": RANDOM.normal(size=5).astype(np.float32)}
        for k in range(count)
    ]


def _flat(tree: object) -> np.ndarray:
    return np.concatenate([np.ravel(leaf).astype(np.float64) for leaf in jax.tree.leaves(tree)])


def test_the_plane_is_that_of_the_singular_vectors() -> None:
    points = _points(6)
    found = principal_plane(points)
    assert found is not None
    apart = np.stack([_flat(each) for each in points]) - _flat(points[-1])
    _, singular, right = np.linalg.svd(apart, full_matrices=False)
    for k, direction in enumerate(map(_flat, found.directions)):
        sign = np.sign(direction @ right[k])
        np.testing.assert_allclose(direction, sign * right[k], atol=1e-5)
        np.testing.assert_allclose(found.path[:, k], sign * apart @ right[k], atol=1e-4)
    np.testing.assert_allclose(found.explained, singular[:2] ** 2 / np.sum(singular**2), rtol=1e-5)
    np.testing.assert_allclose(found.path[-1], 0, atol=1e-6)
    steps = np.diff(np.stack([_flat(each) for each in points]), axis=0)
    np.testing.assert_allclose(found.lengths, np.linalg.norm(steps, axis=1), rtol=1e-5)


def test_a_path_in_a_plane_is_explained_by_it() -> None:
    one, other = RANDOM.normal(size=(2, 7))
    points = [{"w": np.float32(np.cos(k) * one + np.sin(k) * other)} for k in range(5)]
    found = principal_plane(points)
    assert found is not None
    assert sum(found.explained) == pytest.approx(1)
    across, up = (each["w"] for each in found.directions)
    for point, (x, y) in zip(points, found.path, strict=True):
        np.testing.assert_allclose(points[-1]["w"] + x * across + y * up, point["w"], atol=1e-5)


def test_there_is_no_plane_of_a_line_or_of_nothing() -> None:
    assert principal_plane(_points(2)) is None
    assert principal_plane([{"w": np.full(3, k, np.float32)} for k in range(4)]) is None
    assert principal_plane([{"w": np.ones(3, np.float32)}] * 4) is None
    assert principal_plane([*_points(3), jax.tree.map(lambda leaf: leaf * np.nan, _points(1)[0])]) is None
