"""What drawing takes from the run beside it, with a clock turned by hand."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from nnwidgets.train._drawing_cost import DrawingCost


def run(
    cost: DrawingCost, seconds: float, step: float, interval: float, taken: Callable[[float], float], now: float = 0.0
) -> list[float]:
    """Steps and frames, one each `interval` unless it has to wait; `taken` by a frame from a step so long after it.

    Returns:
        when each frame was sent.
    """
    ends, sent = now + seconds, [-1e9]
    while now < ends:
        own = step + taken(now - sent[-1])
        now += own
        cost.step(now, own)
        if now - sent[-1] >= interval and not cost.rests(now):
            cost.sent(now)
            sent.append(now)
    return sent[1:]


@pytest.mark.parametrize("step", [0.0002, 0.01, 0.07])
@pytest.mark.parametrize("interval", [0.1, 0.5])
def test_a_frame_that_takes_twenty_milliseconds(step: float, interval: float) -> None:
    """A fifth of the tenth of a second after it."""
    cost = DrawingCost()
    sent = run(cost, 12.0, step, interval, lambda since: 0.2 * step if since < 0.1 else 0.0)
    # steps of 70 ms meet it once or twice
    assert cost.seconds == pytest.approx(0.018, rel=0.35 if step < 0.05 else 0.6)
    gaps = np.diff(sent)
    # held back three times in twelve seconds where it would come ten times a second, and never for long
    assert (gaps > 0.25).sum() <= 4 or interval > 0.25
    assert gaps.max() <= 0.5 + 3 * step + interval


def test_a_frame_that_takes_nothing_costs_nothing() -> None:
    cost, random = DrawingCost(), np.random.default_rng(0)
    run(cost, 12.0, 0.005, 0.1, lambda _: float(random.normal(0, 0.0005)))
    assert 0 <= cost.seconds < 0.002


def test_steps_that_became_longer_while_nobody_looked_are_not_put_down_to_frames() -> None:
    cost = DrawingCost()
    run(cost, 6.0, 0.002, 0.1, lambda _: 0.0)
    run(cost, 60.0, 0.002, 1e9, lambda _: 0.0, now=6.0)
    run(cost, 3.0, 0.004, 0.1, lambda _: 0.0, now=66.0)
    assert len(cost._measured) >= 2 and max(cost._measured) < 0.002


def test_steps_that_become_longer_while_they_are_looked_at_are_put_down_to_frames_once_at_most() -> None:
    cost = DrawingCost()
    run(cost, 8.0, 0.002, 0.1, lambda _: 0.0)
    run(cost, 20.0, 0.004, 0.1, lambda _: 0.0, now=8.0)
    assert cost.seconds < 0.002


def test_one_that_stands_still_measures_nothing() -> None:
    cost = DrawingCost()
    for frame in range(100):
        cost.sent(0.1 * frame, running=False)
    assert not cost.rests(10.0)
    run(cost, 3.0, 0.01, 0.5, lambda since: 0.01 if since < 0.1 else 0.0)
    assert cost.seconds > 0.03


def test_a_browser_that_is_slow_draws_for_longer() -> None:
    """A frame that takes half a second to be acknowledged, and 0.1 s of the run's in its first second."""
    cost, now, sent = DrawingCost(), 0.0, -1e9
    while now < 60:
        own = 0.011 if now - sent < 1.0 else 0.01
        now += own
        cost.step(now, own)
        if now - sent >= 1.0 and not cost.rests(now):
            cost.sent(now, 0.5)
            sent = now
    assert cost.seconds == pytest.approx(0.1, rel=0.15)


def test_before_anything_was_drawn_beside_it_nothing_has_to_wait() -> None:
    cost = DrawingCost()
    assert cost.seconds == 0.0 and not cost.rests(0.0)
    for frame in range(4):
        cost.sent(0.1 * frame)
        assert not cost.rests(0.1 * frame)
    cost.sent(0.4)
    assert cost.rests(0.45)
