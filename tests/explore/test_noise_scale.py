"""The noise scale: worked by hand, and how often its interval holds the true one."""

from __future__ import annotations

import numpy as np
import pytest

from nnwidgets.explore.batches._noise_scale import noise_scale


def _measured(gradients: np.ndarray, rows: int = 1) -> object:
    return noise_scale((gradients**2).sum(1), gradients @ gradients.mean(0), rows)


def test_by_hand() -> None:
    # mean (2, 0); deviations (+-1, 0) and (0, +-1): their squares sum up to 4, by n - 1 = 3
    found = _measured(np.array([[3.0, 0], [1, 0], [2, 1], [2, -1]]))
    assert found.noise == pytest.approx(4 / 3)
    assert found.signal == pytest.approx(4 - 1 / 3)
    assert found.scale == pytest.approx(4 / 3 / (4 - 1 / 3))
    assert found.inverse == pytest.approx(1 / found.scale)
    assert found.ratio(6)[0] == pytest.approx(np.sqrt(6 / found.scale))


def test_groups_count_by_their_examples() -> None:
    gradients = np.random.default_rng(0).normal(1, 1, (64, 5))
    single, groups = _measured(gradients), _measured(gradients, rows=8)
    assert groups.noise == pytest.approx(8 * single.noise)
    assert groups.signal == single.signal
    for name in ("scale", "low", "high"):
        assert getattr(groups, name) == pytest.approx(8 * getattr(single, name))


def test_the_error_is_the_jackknifes() -> None:
    gradients = np.random.default_rng(0).normal(1, 1, (12, 3))

    def ratio(each: np.ndarray) -> float:
        spread = each.var(0, ddof=1).sum()
        return ((each.mean(0) ** 2).sum() - spread / len(each)) / spread

    found, others = _measured(gradients), [ratio(np.delete(gradients, i, 0)) for i in range(12)]
    assert found.inverse == pytest.approx(ratio(gradients))
    error = np.sqrt(11 / 12 * np.sum((others - np.mean(others)) ** 2))
    # where the interval ends the ratio is as far off as the error that belongs there, which grows with the root of r + 1/n
    for end in (found.inverse_low, found.inverse_high):
        there = error * np.sqrt((end + 1 / 12) / (found.inverse + 1 / 12))
        assert abs(end - found.inverse) == pytest.approx(2.2009852 * there, rel=1e-6)


def test_products_that_were_not_reached_leave_an_interval() -> None:
    gradients = np.random.default_rng(0).normal(1, 1, (200, 5))
    products = gradients @ gradients.mean(0)
    cut = np.where(np.arange(200) < 100, products, np.nan)
    whole, part = (noise_scale((gradients**2).sum(1), each, 1) for each in (products, cut))
    assert part.scale == pytest.approx(whole.scale, rel=0.2)
    assert part.high - part.low == pytest.approx(whole.high - whole.low, rel=0.4)


def test_no_signal_is_told_apart_from_none() -> None:
    gradients = np.random.default_rng(0).normal(0, 1, (100, 20))
    found = _measured(gradients)
    assert not found.resolved
    assert found.high == np.inf
    assert 20 < found.low < np.inf


def test_no_noise_at_all() -> None:
    found = _measured(np.ones((10, 3)))
    assert (found.scale, found.low, found.high) == (0, 0, 0)
    assert found.resolved
    # and neither the one nor the other
    assert _measured(np.zeros((10, 3))).scale == np.inf


@pytest.mark.parametrize(
    ("spread", "truth", "count", "rows"),
    [
        ("even", 30, 64, 1),
        ("even", 400, 256, 1),
        ("falling", 20, 64, 1),
        ("falling", 400, 256, 1),
        ("falling", 200, 24, 32),
    ],
)
def test_the_interval_holds_the_truth_19_times_in_20(spread: str, truth: float, count: int, rows: int) -> None:
    """A quadratic with noise: gradients normal round G, in 50 directions of equal or falling variance."""
    random = np.random.default_rng(0)
    deviation = np.ones(50) if spread == "even" else 1 / np.arange(1, 51)
    mean = random.normal(size=50) * deviation
    mean *= np.sqrt((deviation**2).sum() / truth) / np.linalg.norm(mean)
    held, scales = 0, []
    for _ in range(300):
        gradients = mean + deviation * random.normal(size=(count, 50)) / np.sqrt(rows)
        found = _measured(gradients, rows)
        held += found.low <= truth <= found.high
        scales.append(found.inverse)
    assert held / 300 >= 0.91
    # unbiased, but for the error of a mean of 300
    assert np.mean(scales) == pytest.approx(1 / truth, abs=4 * np.std(scales) / np.sqrt(300))
