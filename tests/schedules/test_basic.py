"""Schedules without a framework: constant, warm-up, inverse square root."""

from __future__ import annotations

import numpy as np
import optax
import pytest

from nnwidgets import schedules

from ._tables import assert_equal_at_every_step, of


def test_constant() -> None:
    assert_equal_at_every_step(schedules.constant(0.3), of(lambda _: 0.3))


@pytest.mark.parametrize(("steps", "begin"), [(100, 0.0), (1, 0.1), (999, 0.3)])
def test_linear_warmup_before_another_schedule(steps: int, begin: float) -> None:
    after = schedules.keras.exponential_decay(0.3, 10, 0.9)
    expected = of(lambda t: begin + (0.3 - begin) * t / steps if t < steps else 0.3 * 0.9 ** ((t - steps) / 10))
    assert_equal_at_every_step(schedules.linear_warmup(after, steps, begin), expected)


def test_linear_warmup_takes_schedules_of_optax() -> None:
    found = schedules.preview(schedules.linear_warmup(optax.constant_schedule(0.4), 4), 6)
    np.testing.assert_allclose(found, [0, 0.1, 0.2, 0.3, 0.4, 0.4], rtol=1e-6)


@pytest.mark.parametrize(("peak", "warm_up", "first"), [(0.3, 100, 0.0), (1e-3, 4000, 1e-7), (0.1, 1, 0.0)])
def test_inverse_square_root(peak: float, warm_up: int, first: float) -> None:
    def formula(step: int) -> float:
        return first + (peak - first) * step / warm_up if step < warm_up else peak * warm_up**0.5 * step**-0.5

    assert_equal_at_every_step(schedules.inverse_square_root(peak, warm_up, first), of(formula))


@pytest.mark.parametrize(("width", "warm_up", "factor"), [(512, 400, 1.0), (64, 4000, 2.0), (100, 1, 1.0)])
def test_noam(width: int, warm_up: int, factor: float) -> None:
    def formula(step: int) -> float:
        return factor * width**-0.5 * min(step**-0.5, step * warm_up**-1.5) if step else 0.0

    assert_equal_at_every_step(schedules.noam(width, warm_up, factor), of(lambda t: formula(t + 1)))
    assert_equal_at_every_step(schedules.noam(width, warm_up, factor, first_step=0), of(formula))
