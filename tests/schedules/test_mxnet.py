"""Equal to MXNet's schedulers, which keep a state between the updates: here is that, update by update from the first."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import pytest

from nnwidgets.schedules import mxnet

from ._tables import STEPS, assert_equal_at_every_step, half_wave

BASE = 0.3
WARM_UPS = [(0, 0.0, "linear"), (50, 0.01, "linear"), (120, 0.05, "constant"), (1, 0.0, "linear")]


def updated(scheduler: Callable[[int], float], warm_up: tuple[int, float, str], first: int) -> list[float]:
    """Learning rates of the updates ``first``, ``first + 1``, ...; MXNet's optimizers count from 1."""
    length, begin, mode = warm_up

    def rate(update: int) -> float:
        if update < length:
            return begin if mode == "constant" else begin + (BASE - begin) * update / length
        return scheduler(update)

    return [rate(update) for update in range(first, first + STEPS)]


def check(
    schedule: Callable[..., Any], scheduler: Callable[[], Callable[[int], float]], warm_up: tuple[int, float, str]
) -> None:
    """As in a run, from update 1, and as called by hand, from 0."""
    length, begin, mode = warm_up
    arguments: dict[str, Any] = {"base_lr": BASE, "warmup_steps": length, "warmup_begin_lr": begin, "warmup_mode": mode}
    assert_equal_at_every_step(schedule(**arguments), updated(scheduler(), warm_up, 1))
    assert_equal_at_every_step(schedule(**arguments, begin_num_update=-1), updated(scheduler(), warm_up, 0))


def factor_scheduler(step: int, factor: float, stop: float) -> Callable[[int], float]:
    rate, count = BASE, 0

    def at(update: int) -> float:
        nonlocal rate, count
        while update > count + step:
            count += step
            rate = max(rate * factor, stop)
        return rate

    return at


def multi_factor_scheduler(steps: Sequence[int], factor: float) -> Callable[[int], float]:
    rate, to_come = BASE, list(steps)

    def at(update: int) -> float:
        nonlocal rate
        while to_come and update > to_come[0]:
            to_come.pop(0)
            rate *= factor
        return rate

    return at


def towards_an_end(formula: Callable[[float], float], last: int, warm_up: int) -> Callable[[int], float]:
    rate = BASE

    def at(update: int) -> float:
        nonlocal rate
        if update <= last:
            rate = formula((update - warm_up) / (last - warm_up))
        return rate

    return at


@pytest.mark.parametrize("warm_up", WARM_UPS)
@pytest.mark.parametrize(
    ("step", "factor", "stop"),
    [(100, 0.5, 1e-8), (30, 0.7, 1e-3), (1, 0.99, 1e-8), (7, 1.0, 1e-8), (500, 0.1, 0.5)],
)
def test_factor_scheduler(step: int, factor: float, stop: float, warm_up: tuple[int, float, str]) -> None:
    check(
        lambda **arguments: mxnet.factor_scheduler(step, factor, stop, **arguments),
        lambda: factor_scheduler(step, factor, stop),
        warm_up,
    )


@pytest.mark.parametrize("warm_up", WARM_UPS)
@pytest.mark.parametrize(("steps", "factor"), [([100, 500], 0.1), ([1, 2, 3], 0.5), ([10, 100, 999], 0.9)])
def test_multi_factor_scheduler(steps: list[int], factor: float, warm_up: tuple[int, float, str]) -> None:
    check(
        lambda **arguments: mxnet.multi_factor_scheduler(steps, factor, **arguments),
        lambda: multi_factor_scheduler(steps, factor),
        warm_up,
    )


@pytest.mark.parametrize("warm_up", WARM_UPS)
@pytest.mark.parametrize(("last", "power", "final"), [(1000, 2, 0.0), (600, 1, 0.01), (1500, 0.5, 0.001)])
def test_poly_scheduler(last: int, power: float, final: float, warm_up: tuple[int, float, str]) -> None:
    check(
        lambda **arguments: mxnet.poly_scheduler(last, pwr=power, final_lr=final, **arguments),
        lambda: towards_an_end(lambda share: final + (BASE - final) * (1 - share) ** power, last, warm_up[0]),
        warm_up,
    )


@pytest.mark.parametrize("warm_up", WARM_UPS)
@pytest.mark.parametrize(("last", "final"), [(1000, 0.0), (600, 0.01), (1500, 0.001)])
def test_cosine_scheduler(last: int, final: float, warm_up: tuple[int, float, str]) -> None:
    check(
        lambda **arguments: mxnet.cosine_scheduler(last, final_lr=final, **arguments),
        lambda: towards_an_end(lambda share: final + (BASE - final) * half_wave(share), last, warm_up[0]),
        warm_up,
    )
