"""Comparing a schedule with a table worked out in float64, at every step."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

STEPS = 1000


def assert_equal_at_every_step(schedule: Any, table: Iterable[float], slack: float = 1e-10) -> None:
    """To 1e-5 of each value: float32, and no slack for values near zero but this share of the largest.

    All steps are asked for at once, elementwise; that one step compiled gives the same is tested for every schedule.
    """
    expected = np.asarray(list(table), np.float64)
    assert expected.shape == (STEPS,)
    found = np.asarray(schedule(np.arange(STEPS)))
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=slack * np.abs(expected).max())


def of(formula: Callable[[int], float]) -> list[float]:
    """The table of a formula."""
    return [formula(step) for step in range(STEPS)]


def half_wave(share: float) -> float:
    """From 1 to 0 as the share goes from 0 to 1."""
    return 0.5 * (1 + math.cos(math.pi * share))
