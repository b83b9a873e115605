"""Verdicts on one derivative, from ladders of differences that were computed by hand or from functions that are known."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from nnwidgets.gradchecks._judge import FLOAT32, FLOAT64, Differences, Tolerance, judge, relative_error

STEPS = np.array([FLOAT64.first, *(each for each in FLOAT64.ladder if each != FLOAT64.first)])


def ladder(
    function: Callable[[Any], Any], x: float, analytic: float, forward: float | None = None, smooth: Any = True
) -> Differences:
    """Central differences of a function of one number, with every step of the ladder."""
    numeric = (function(x + STEPS) - function(x - STEPS)) / (2 * STEPS)
    noise = FLOAT64.noise(np.abs(function(x)), STEPS)
    return Differences(analytic, STEPS, numeric, noise, np.broadcast_to(smooth, STEPS.shape), forward)


def synthetic(analytic: float, numeric: Any, smooth: Any = True, forward: float | None = None, **more: Any) -> Any:
    steps = np.array(more.get("steps", STEPS[: len(numeric)]), float)
    noise = np.broadcast_to(more.get("noise", 1e-12), steps.shape).astype(float)
    return Differences(analytic, steps, np.array(numeric, float), noise, np.broadcast_to(smooth, steps.shape), forward)


@pytest.mark.parametrize("factor", [1.0, -1.0, 2.0, 1.01, 0.9999, 0.0])
def test_a_smooth_function(factor: float) -> None:
    for forward in (None, np.cos(1.0)):
        at = ladder(np.sin, 1.0, factor * np.cos(1.0), forward)
        assert judge(at, FLOAT64) == ("ok" if factor == 1.0 else "wrong")


def test_the_error_is_that_of_the_best_resolved_step() -> None:
    assert ladder(np.sin, 1.0, 1.01 * np.cos(1.0)).error == pytest.approx(0.01 / 1.01, rel=1e-6)
    assert ladder(np.sin, 1.0, 0.0).error == 1.0
    assert np.isnan(synthetic(1e-9, [2e-9], noise=1e-9).error)


@pytest.mark.parametrize(("analytic", "wanted"), [(1.0, "ok"), (-1.0, "wrong"), (0.0, "wrong")])
def test_a_corner_near_by_is_avoided_by_smaller_steps(analytic: float, wanted: str) -> None:
    """|x| at 3e-6: the steps 1e-3 to 1e-5 straddle the corner, 1e-6 and 1e-7 do not."""
    assert judge(ladder(np.abs, 3e-6, analytic, 1.0, smooth=STEPS < 3e-6), FLOAT64) == wanted


@pytest.mark.parametrize(("analytic", "wanted"), [(1.0, "ok"), (-1.0, "unsure"), (0.0, "ok")])
def test_a_corner_that_no_step_avoids_is_left_to_the_exact_slope(analytic: float, wanted: str) -> None:
    """|x| at 0, whose differences are all 0, and whose exact slope JAX says is 1."""
    assert judge(ladder(np.abs, 0.0, analytic, 1.0, smooth=False), FLOAT64) == wanted


def test_a_corner_without_exact_slope_is_left_open() -> None:
    assert judge(ladder(np.abs, 0.0, 1.0, None, smooth=False), FLOAT64) == "unsure"


def test_a_wrong_gradient_across_a_corner() -> None:
    """Differences straddle a corner, and lie nearer to the exact slope than to the analytic one."""
    assert judge(synthetic(5.0, [1.0, 1.1], smooth=False, forward=1.2), FLOAT64) == "wrong"
    assert judge(synthetic(5.0, [3.5, 3.4], smooth=False, forward=1.2), FLOAT64) == "unsure"


def test_witnesses_that_contradict_each_other() -> None:
    # the exact slope sides with the analytic one, smooth differences do not
    assert judge(synthetic(1.0, [2.0, 2.0], forward=1.0), FLOAT64) == "unsure"
    # three slopes that differ
    assert judge(synthetic(1.0, [2.0, 2.0], forward=3.0), FLOAT64) == "unsure"
    # without exact slope: differences that agree with each other, and others that do not
    assert judge(synthetic(1.0, [2.0, 2.1]), FLOAT64) == "wrong"
    assert judge(synthetic(1.0, [2.0, 3.0]), FLOAT64) == "unsure"


def test_agreement_that_rounding_explains_is_no_evidence() -> None:
    """The smallest step agrees only because nearly everything would."""
    assert judge(synthetic(1.0, [2.0, 1.5], noise=[1e-9, 0.6], forward=2.0), FLOAT64) == "wrong"
    # where the first step is as noisy, it is all that there is
    assert judge(synthetic(1e-13, [3e-13], noise=1e-12), FLOAT64) == "ok"


def test_curvature_is_extrapolated_away() -> None:
    """n(h) = 1 + 1000 h² with steps of 1e-2 and 1e-3: neither agrees to 1e-5, Richardson's combination does."""
    steps = np.array([1e-2, 1e-3])
    bent = {"numeric": 1 + 1000 * steps**2, "steps": steps}
    assert judge(synthetic(1.0, forward=None, **bent), FLOAT64) == "ok"
    assert judge(synthetic(1.5, forward=1.0, **bent), FLOAT64) == "wrong"
    # an error as small as what curvature makes of the first step is told from it by nothing
    assert judge(synthetic(1.01, forward=1.0, **bent), FLOAT64) == "unsure"
    # across a corner there is nothing to extrapolate
    assert judge(synthetic(1.0, smooth=[True, False], forward=None, **bent), FLOAT64) != "ok"


@pytest.mark.parametrize("numeric", [np.nan, np.inf])
def test_a_loss_that_is_not_finite_near_by_decides_nothing(numeric: float) -> None:
    steps = np.array([1e-5, 1e-6])
    assert judge(synthetic(1.0, [numeric, numeric], steps=steps), FLOAT64) == "unsure"
    assert judge(synthetic(1.0, [numeric, 1.0], steps=steps), FLOAT64) == "ok"
    assert judge(synthetic(1.0, [numeric, 2.0], steps=steps, forward=2.0), FLOAT64) == "wrong"


def test_the_slope_to_show_is_the_widest_smooth_one() -> None:
    assert synthetic(1.0, [1.0, 2.0, 3.0, 4.0]).best == 1.0
    # 1e-3 and 1e-4 are wider than the first, and not asked
    assert synthetic(1.0, [1.0, 2.0, 3.0, 4.0], smooth=[False, True, True, True]).best == 4.0
    assert synthetic(1.0, [1.0, 2.0], smooth=False).best == 1.0


def test_relative_error_by_hand() -> None:
    found = relative_error(np.array([1.0, -1.0, 0.0, 0.0]), np.array([0.5, 1.0, 2.0, 0.0]), np.full(4, 1e-9))
    np.testing.assert_allclose(found, [0.5, 2.0, 1.0, np.nan])


def test_tolerances_scale_with_derivative_and_loss() -> None:
    tolerance = Tolerance(0.1, 1e-16, 1e-5, 1e-5, (), 1e-6)
    assert tolerance.agree(np.array([10.0, 10.0]), np.array([9.1, 8.9]), np.zeros(2)).tolist() == [True, False]
    # what is not finite agrees with nothing
    none = np.array([np.nan, np.inf])
    assert tolerance.agree(np.ones(2), none, np.array(1.0)).tolist() == [False, False]
    assert tolerance.agree(none, np.ones(2), np.array(1.0)).tolist() == [False, False]
    np.testing.assert_allclose(
        FLOAT64.noise(np.array([100.0, 0.0]), np.array(1e-5)), [40 * 2**-52 * 1e7, 40 * 2**-52 * 100]
    )


def test_the_first_step_is_the_smallest_that_rounding_permits() -> None:
    slopes = np.array([1e-9, 1e-3, 0.1, -0.1, 1.0, 1e6])
    steps = FLOAT64.step(2.3, slopes)
    assert steps[0] == FLOAT64.first and steps[-1] == FLOAT64.least and steps[2] == steps[3]
    assert (np.diff(steps[[0, 1, 2, 4, 5]]) <= 0).all()
    inside = (steps > FLOAT64.least) & (steps < FLOAT64.first)
    assert inside.sum() == 3
    noise = FLOAT64.noise(np.array(2.3), steps)
    np.testing.assert_allclose(noise[inside], 1e-2 * FLOAT64.relative * np.abs(slopes[inside]))
    # in single precision there is one
    assert (FLOAT32.step(2.3, slopes) == FLOAT32.first).all()


@pytest.mark.parametrize(("factor", "wanted"), [(1.0, "ok"), (1.02, "ok"), (1.1, "wrong"), (-1.0, "wrong")])
def test_single_precision_sees_some_per_cent(factor: float, wanted: str) -> None:
    def function(x: Any) -> Any:
        return np.float32(np.sin(np.float32(x)))

    steps = np.array([FLOAT32.first, *FLOAT32.ladder])
    numeric = (function(1 + steps) - function(1 - steps)).astype(np.float64) / (2 * steps)
    at = Differences(
        factor * np.cos(1.0), steps, numeric, FLOAT32.noise(np.array(1.0), steps), np.ones(3, bool), np.cos(1.0)
    )  # fmt: skip
    assert judge(at, FLOAT32) == wanted
