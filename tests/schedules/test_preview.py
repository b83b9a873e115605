"""Sampling: one compiled call, or one by one where Python branches on the step."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from nnwidgets.schedules import preview


def test_preview_calls_the_schedule_once() -> None:
    calls = []

    def schedule(count: Any) -> Any:
        calls.append(count)
        return 0.1 * count

    found = preview(schedule, 5000, start=3)
    assert len(calls) == 1 and found.dtype == np.float32
    np.testing.assert_allclose(found, 0.1 * np.arange(3, 5003), rtol=1e-6)


@pytest.mark.parametrize("schedule", [0.25, optax.constant_schedule(0.25), lambda count: jnp.float16(0.25)])
def test_constants_of_any_kind(schedule: Any) -> None:
    found = preview(schedule, 4)
    assert found.dtype == np.float32 and found.tolist() == [0.25] * 4


def branching(count: int) -> float:
    return 0.1 if count < 100 else 0.01


@pytest.mark.parametrize(
    "schedule",
    [
        branching,
        lambda count: [0.1, 0.01][min(int(count) // 100, 1)],
        lambda count: float(np.interp(count, [99, 100], [0.1, 0.01])),
    ],
)
def test_a_schedule_that_branches_in_python(schedule: Any) -> None:
    np.testing.assert_allclose(preview(schedule, 300), [0.1] * 100 + [0.01] * 200, rtol=1e-6)


def test_it_is_called_a_thousand_times_at_most() -> None:
    calls = []

    def schedule(count: Any) -> float:
        value = branching(count)
        calls.append(count)
        return value

    found = preview(schedule, 5000)
    assert len(calls) == 1000 and found.shape == (5000,)
    np.testing.assert_allclose(found, [0.1] * 100 + [0.01] * 4900, rtol=1e-6)


def test_an_error_of_the_schedules_own_is_seen() -> None:
    def schedule(count: Any) -> Any:
        raise TypeError("mine")

    with pytest.raises(TypeError, match="mine"):
        preview(schedule, 10)
    with pytest.raises(ValueError, match=r"a schedule must give one number, got an array of shape \(2,\)"):
        preview(lambda count: jnp.zeros(2), 10)
    with pytest.raises(ValueError, match="steps must be a whole number from 1"):
        preview(branching, 0)


def test_the_array_is_ones_own() -> None:
    found = preview(optax.constant_schedule(1.0), 3)
    found[0] = 2
    assert isinstance(found, np.ndarray) and not isinstance(found, jax.Array)
