"""Which lines a tier looks along, and what sampling cannot see."""

from __future__ import annotations

import math

import numpy as np
import pytest

from nnwidgets.gradchecks import chance_unsampled
from nnwidgets.gradchecks._rows import choose, join, make_rows, with_steps

SIZES = np.array([3, 400, 1])
OFFSETS = np.array([0, 3, 403, 404])
ALL = np.arange(3)


def test_the_whole_model_is_two_lines_through_everything() -> None:
    rows = choose(OFFSETS, ALL, None, "whole", 10, 0)
    assert (rows.tensor.tolist(), rows.which.tolist(), rows.index.tolist()) == ([-1, -1], [0, 1], [-1, -1])


def test_quick_is_one_line_a_tensor() -> None:
    rows = choose(OFFSETS, np.array([0, 2]), None, "quick", 10, 0)
    assert (rows.tensor.tolist(), rows.which.tolist(), rows.index.tolist()) == ([0, 2], [0, 0], [-1, -1])


@pytest.mark.parametrize("seed", range(5))
def test_full_samples_coordinates_half_of_them_the_largest(seed: int) -> None:
    gradient = np.random.default_rng(seed).standard_normal(404)
    rows = choose(OFFSETS, ALL, gradient, "full", 10, seed)
    directions = rows[rows.index < 0]
    assert sorted(zip(directions.tensor.tolist(), directions.which.tolist(), strict=True)) == [
        (t, which) for t in range(3) for which in (0, 1)
    ]
    # a tensor with no more than ten numbers is looked at whole
    for t, size in enumerate(SIZES):
        index = rows.index[(rows.index >= 0) & (rows.tensor == t)]
        assert len(set(index.tolist())) == len(index) == min(size, 10)
        assert ((OFFSETS[t] <= index) & (index < OFFSETS[t + 1])).all()
    largest = 3 + np.argsort(-np.abs(gradient[3:403]))[:5]
    assert set(largest.tolist()) <= set(rows.index.tolist())


def test_the_other_half_is_drawn_evenly() -> None:
    """Each of the 395 coordinates that are not among the five largest is drawn in 5 of 395 checks."""
    gradient, counts = np.r_[np.full(5, 9.0), np.ones(395)], np.zeros(400)
    for seed in range(2000):
        rows = choose(np.array([0, 400]), np.array([0]), gradient, "full", 10, seed)
        counts[rows.index[rows.index >= 0]] += 1
    assert (counts[:5] == 2000).all()
    expected = 2000 * 5 / 395
    assert np.sum((counts[5:] - expected) ** 2 / expected) < 394 + 5 * math.sqrt(2 * 394)


def test_steps_are_small_beside_the_tensor_itself() -> None:
    rows = with_steps(make_rows([0, 1, 2, 3, -1], 0, -1), np.array([100.0, 0.5, 1e-6, 0.0]), 1e-5)
    np.testing.assert_allclose(rows.step, [1e-5, 5e-6, 1e-8, 1e-5, 1e-5])


def test_rows_are_cut_and_joined() -> None:
    rows = join(make_rows([0, 1], 0, -1), make_rows(2, 1, 7, 0.5))
    assert len(rows) == 3
    cut = rows[np.array([2, 0])]
    assert (cut.tensor.tolist(), cut.index.tolist(), cut.step.tolist()) == ([2, 0], [7, -1], [0.5, 0.0])
    assert rows.at(0.25).step.tolist() == [0.25] * 3
    assert len(make_rows([], [], [])) == 0


@pytest.mark.parametrize(("wrong", "of", "sampled"), [(1, 1000, 10), (10, 1000, 10), (7, 30, 5), (1, 1, 0), (3, 10, 7)])
def test_the_chance_is_a_ratio_of_combinations(wrong: int, of: int, sampled: int) -> None:
    wanted = math.comb(of - wrong, sampled) / math.comb(of, sampled)
    assert chance_unsampled(wrong, of, sampled) == pytest.approx(wanted, rel=1e-9)


def test_the_chance_at_its_edges() -> None:
    assert chance_unsampled(wrong=0, of=50, sampled=10) == pytest.approx(1.0)
    assert chance_unsampled(wrong=1, of=10, sampled=10) == 0.0
    assert chance_unsampled(wrong=41, of=50, sampled=10) == 0.0
    # as large as tensors get, where factorials have none
    assert chance_unsampled(wrong=1, of=10**9, sampled=10) == pytest.approx(1 - 1e-8, rel=1e-9)


def test_the_chance_is_what_sampling_gives() -> None:
    random = np.random.default_rng(0)
    hits = [random.choice(60, 10, replace=False).min() < 7 for _ in range(20_000)]
    assert 1 - np.mean(hits) == pytest.approx(chance_unsampled(wrong=7, of=60, sampled=10), abs=0.015)
