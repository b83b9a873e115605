"""Thinning keeps every spike, agrees with a plain implementation, and reads only what is new."""

from __future__ import annotations

import numpy as np
import pytest

from nnwidgets.panels._curve import log10, outline, smooth
from nnwidgets.panels._narrow import Narrow
from nnwidgets.records import History


def history_of(values, first=1, **options):
    history = History(**options)
    for step, value in enumerate(values, first):
        history.add("gradient", step, ("a", "b"), {"norm": np.array([value, 2 * value])})
    return history


def plain(values, first, width):
    steps = np.arange(first, first + len(values))
    for key in np.unique(steps // width):
        rows = np.asarray(values)[steps // width == key]
        good = rows[np.isfinite(rows)]
        yield (steps[steps // width == key][-1], good.mean() if len(good) else np.nan, len(good) < len(rows))


@pytest.mark.parametrize("count", [2, 30, 31, 200, 1000])
def test_it_agrees_with_a_plain_implementation_however_often_one_looks(count):
    random = np.random.default_rng(count)
    values = random.normal(size=count)
    values[random.integers(count)] = np.nan
    values[random.integers(count)] = np.inf
    history, often, once = History(), Narrow(30), Narrow(30)
    for step, value in enumerate(values, 1):
        history.add("gradient", step, ("a", "b"), {"norm": np.array([value, 2 * value])})
        if step % 7 == 0:
            often.look(history, "gradient/norm")
    for narrow in (often, once):
        series = narrow.look(history, "gradient/norm")
        assert len(series) <= 30
        steps, means, bad = zip(*plain(values.astype(np.float32), 1, narrow._width), strict=True)
        np.testing.assert_array_equal(series.steps, steps)
        np.testing.assert_allclose(series.values[:, 0], means, rtol=1e-5)
        np.testing.assert_array_equal(narrow.bad[:, 1], bad)


def test_no_spike_is_lost():
    values = np.ones(5000)
    values[3210] = 50.0
    values[4321] = -50.0
    series = Narrow().look(history_of(values, full_steps=1024, buckets=64), "gradient/norm")
    assert np.nanmax(series.high[:, 0]) == 50.0
    assert np.nanmin(series.low[:, 0]) == -50.0
    steps, points = outline(series)
    assert points[0].max() == 50.0
    assert len(steps) <= 500


def test_the_newest_row_that_is_written_again_is_read_again():
    history, narrow = history_of([1.0, 2.0]), Narrow()
    narrow.look(history, "gradient/norm")
    history.add("gradient", 2, ("a", "b"), {"norm": np.array([5.0, 5.0])})
    assert narrow.look(history, "gradient/norm").values[-1, 0] == 5.0


def test_after_a_rewind_everything_is_read_anew():
    history, narrow = history_of(range(1, 101)), Narrow()
    narrow.look(history, "gradient/norm")
    history.truncate(40)
    assert narrow.look(history, "gradient/norm").steps[-1] == 40


def test_many_rows_between_two_looks_are_all_seen():
    history, narrow = history_of(np.ones(10)), Narrow()
    narrow.look(history, "gradient/norm")
    values = np.ones(2000)
    values[5] = 9.0
    for step, value in enumerate(values, 11):
        history.add("gradient", step, ("a", "b"), {"norm": np.array([value, value])})
    assert narrow.look(history, "gradient/norm").high.max() == 9.0


def test_less_than_two_rows_are_no_line():
    narrow = Narrow()
    assert narrow.look(History(), "gradient/norm") is None
    assert narrow.look(history_of([1.0]), "gradient/norm") is None


@pytest.mark.parametrize("window", [1e-9, 0.5, 3.0, 1000.0, 1e9])
def test_smoothing_is_the_weighted_mean_that_its_docstring_says(window):
    random = np.random.default_rng(0)
    steps = np.cumsum(random.integers(1, 60, 300))
    values = random.normal(size=(2, 300))
    values[0, 5] = np.nan
    values[1, 0] = np.inf
    smoothed = smooth(steps, values, window)
    for now in (0, 1, 7, 299):
        weights = np.exp(-(steps[now] - steps[: now + 1]) / window) * np.isfinite(values[:, : now + 1])
        total = np.nan_to_num(values[:, : now + 1], posinf=0.0) * weights
        expected = np.where(np.isfinite(values[:, now]), total.sum(1) / np.maximum(weights.sum(1), 1e-300), np.nan)
        np.testing.assert_allclose(smoothed[:, now], expected, rtol=1e-9)


def test_what_has_no_logarithm_is_a_gap():
    np.testing.assert_array_equal(log10([100.0, 0.0, -1.0, np.inf, np.nan]), [2.0, np.nan, np.nan, np.nan, np.nan])
