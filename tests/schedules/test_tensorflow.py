"""Equal to the formulas that TensorFlow's documentation of ``tf.compat.v1.train`` gives, computed one step at a time."""

from __future__ import annotations

import math

import pytest

from nnwidgets.schedules import tensorflow

from ._tables import STEPS, assert_equal_at_every_step, half_wave, of

RATE = 0.3


@pytest.mark.parametrize(("steps", "base"), [(100, 0.96), (7, 0.5), (1000, 0.1)])
def test_exponential_decay(steps: int, base: float) -> None:
    assert_equal_at_every_step(
        tensorflow.exponential_decay(RATE, steps, base), of(lambda t: RATE * base ** (t / steps))
    )
    assert_equal_at_every_step(
        tensorflow.exponential_decay(RATE, steps, base, staircase=True), of(lambda t: RATE * base ** (t // steps))
    )


@pytest.mark.parametrize(("steps", "decay"), [(5, 0.5), (100, 0.04), (64, 0.0)])
def test_natural_exp_decay(steps: int, decay: float) -> None:
    smooth, stairs = (tensorflow.natural_exp_decay(RATE, steps, decay, staircase=each) for each in (False, True))
    assert_equal_at_every_step(smooth, of(lambda t: RATE * math.exp(-decay * t / steps)))
    assert_equal_at_every_step(stairs, of(lambda t: RATE * math.exp(-decay * (t // steps))))


@pytest.mark.parametrize(("steps", "decay"), [(1, 0.5), (100, 3.0), (13, 0.25)])
def test_inverse_time_decay(steps: int, decay: float) -> None:
    smooth, stairs = (tensorflow.inverse_time_decay(RATE, steps, decay, staircase=each) for each in (False, True))
    assert_equal_at_every_step(smooth, of(lambda t: RATE / (1 + decay * t / steps)))
    assert_equal_at_every_step(stairs, of(lambda t: RATE / (1 + decay * (t // steps))))


@pytest.mark.parametrize(("boundaries", "values"), [([10, 700], [1.0, 0.5, 0.1]), ([0], [0.2, 0.4])])
def test_piecewise_constant(boundaries: list[int], values: list[float]) -> None:
    def formula(step: int) -> float:
        for boundary, value in zip(boundaries, values, strict=False):
            if step <= boundary:
                return value
        return values[-1]

    assert_equal_at_every_step(tensorflow.piecewise_constant(boundaries, values), of(formula))


@pytest.mark.parametrize(
    ("steps", "end", "power"), [(999, 1e-4, 1.0), (300, 0.0, 2.0), (1700, 0.01, 0.5), (17, 0.0, 1.0)]
)
def test_polynomial_decay(steps: int, end: float, power: float) -> None:
    def once(step: int) -> float:
        return (RATE - end) * (1 - min(step, steps) / steps) ** power + end

    def again(step: int) -> float:
        longer = steps * (math.ceil(step / steps) if step else 1)
        return (RATE - end) * (1 - step / longer) ** power + end

    assert_equal_at_every_step(tensorflow.polynomial_decay(RATE, steps, end, power), of(once))
    assert_equal_at_every_step(tensorflow.polynomial_decay(RATE, steps, end, power, cycle=True), of(again))


@pytest.mark.parametrize(("steps", "alpha"), [(999, 0.0), (400, 0.1), (2000, 0.0)])
def test_cosine_decay(steps: int, alpha: float) -> None:
    expected = of(lambda t: RATE * ((1 - alpha) * half_wave(min(t, steps) / steps) + alpha))
    assert_equal_at_every_step(tensorflow.cosine_decay(RATE, steps, alpha), expected)


@pytest.mark.parametrize(
    ("first", "t_mul", "m_mul", "alpha"),
    [(10, 2.0, 1.0, 0.0), (64, 1.0, 0.9, 0.1), (50, 1.5, 0.5, 0.0), (7, 3.0, 1.1, 0.2)],
)
def test_cosine_decay_restarts(first: int, t_mul: float, m_mul: float, alpha: float) -> None:
    expected, height, length, at = [], 1.0, float(first), 0.0
    for step in range(STEPS):
        if step - at >= length:
            at, length, height = at + length, length * t_mul, height * m_mul
        expected.append(RATE * ((1 - alpha) * height * half_wave((step - at) / length) + alpha))
    assert_equal_at_every_step(tensorflow.cosine_decay_restarts(RATE, first, t_mul, m_mul, alpha), expected)


@pytest.mark.parametrize(
    ("steps", "periods", "alpha", "beta"), [(999, 0.5, 0.0, 0.001), (600, 2.0, 0.1, 0.01), (1500, 1.0, 0.0, 0.05)]
)
def test_linear_cosine_decay(steps: int, periods: float, alpha: float, beta: float) -> None:
    def formula(step: int) -> float:
        step = min(step, steps)
        wave = 0.5 * (1 + math.cos(math.pi * 2 * periods * step / steps))
        return RATE * ((alpha + (steps - step) / steps) * wave + beta)

    assert_equal_at_every_step(tensorflow.linear_cosine_decay(RATE, steps, periods, alpha, beta), of(formula))
