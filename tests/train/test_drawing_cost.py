"""What drawing takes from the run beside it, with a clock turned by hand."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator

import numpy as np
import pytest

from nnwidgets.train._drawing_cost import DrawingCost


class Run:
    """Steps, and frames that are sent between them.

    Args:
        step: seconds of a step.
        interval: between two frames, at least.
        taken: seconds that a frame takes from a step which began so long after it.
        answer: seconds that it takes to be acknowledged.
        longer: what makes steps longer for another reason, one after the other.
    """

    def __init__(
        self,
        step: float,
        interval: float,
        taken: Callable[[float], float] = lambda since: 0.0,
        answer: float = 0.04,
        longer: Iterator[float] | None = None,
    ) -> None:
        self.step, self.interval, self.taken, self.answer = step, interval, taken, answer
        self.longer = longer or iter(())
        self.cost, self.now, self.sent = DrawingCost(), 0.0, [-1e9]

    def go(self, seconds: float) -> Run:
        ends = self.now + seconds
        while self.now < ends:
            own = self.step + self.taken(self.now - self.sent[-1]) + next(self.longer, 0.0)
            self.now += own
            self.cost.step(self.now, own, self.step)
            if self.now - self.sent[-1] >= self.interval and not self.cost.rests(self.now):
                self.cost.sent(self.now, self.answer)
                self.sent.append(self.now)
        return self


@pytest.mark.parametrize("step", [0.0002, 0.01, 0.07])
@pytest.mark.parametrize("interval", [0.1, 0.5, 2.0])
def test_a_frame_that_takes_twenty_milliseconds(step: float, interval: float) -> None:
    """A fifth of the steps that begin in the tenth of a second after it."""
    run = Run(step, interval, lambda since: 0.2 * step if since < 0.1 else 0.0).go(60.0)
    # steps of 70 ms begin in it twice
    assert run.cost.seconds == pytest.approx(0.2 * max(0.09, 2 * step), rel=0.25)
    gaps = np.diff(run.sent[1:])
    # held back for no more than a tenth of the time, and where frames are rare not at all
    held = gaps[gaps > interval + 2 * step]
    assert held.sum() < 6.0 and (len(held) >= 3) == (interval < 0.3)
    assert gaps.max() <= 0.35 + 6 * step + interval


def test_slow_steps_are_held_back_seldom() -> None:
    """Five steps of a second have to be made alone."""
    run = Run(1.0, 0.1).go(600.0)
    held = np.diff(run.sent[1:])
    assert held.max() < 8.0
    assert 3 <= (held > 3.0).sum() <= 8


@pytest.mark.parametrize("step", [0.005, 0.1, 1.0])
def test_a_frame_that_takes_nothing_costs_nothing(step: float) -> None:
    random = np.random.default_rng(0)
    run = Run(step, 0.1, longer=iter(lambda: 0.1 * step * float(random.normal()), None)).go(60 * max(1.0, 10 * step))
    assert 0 <= run.cost.seconds < 0.002 + 0.05 * step


def test_one_measurement_says_nothing_and_the_first_three_are_made_at_once() -> None:
    run = Run(0.001, 0.1, lambda since: 0.001 if since < 0.04 else 0.0)
    assert run.go(1.0).cost.seconds == 0.0
    assert run.go(3.0).cost.seconds == pytest.approx(0.02, rel=0.2)


def test_steps_that_are_much_longer_for_once_have_another_reason() -> None:
    """Every fiftieth validates, the first compiles; a frame takes 20 ms of those beside it, however rare it becomes."""
    longer = iter([3.0 * (k == 0) + 0.5 * (k % 50 == 49) for k in range(100_000)])
    run = Run(0.02, 0.1, longer=longer).go(120.0)
    assert run.cost.seconds < 0.004


def test_frames_that_become_rare_are_still_measured() -> None:
    """It was dear, so that frames come each eight seconds; then it takes nothing any more."""
    run = Run(0.02, 0.5, lambda since: 0.02 if since < 0.19 else 0.0).go(20.0)
    assert run.cost.seconds > 0.05
    run.interval, run.taken = 8.0, lambda since: 0.0
    assert run.go(200.0).cost.seconds < 0.004


def test_where_nobody_looks_a_measurement_begins_anew() -> None:
    run = Run(0.002, 0.5).go(2.2)
    before = len(run.sent)
    # long, and with other steps than those to come
    run.interval = 1e9
    run.go(60.0)
    run.cost.begin()
    run.step, run.interval = 0.004, 0.5
    run.go(10.0)
    assert len(run.sent) > before + 15 and max(run.cost._measured) < 0.001


def test_a_browser_that_is_slow_draws_for_longer() -> None:
    """A frame that takes half a second to be acknowledged, and 0.1 s of the run's in its first second."""
    taken = lambda since: 0.001 if since < 1.1 else 0.0  # noqa: E731
    assert Run(0.01, 1.0, taken, answer=0.5).go(120.0).cost.seconds == pytest.approx(0.1, rel=0.15)
    # none is acknowledged: for a second
    silent = Run(0.01, 0.5, lambda since: 0.001 if since < 0.9 else 0.0, answer=math.inf).go(120.0)
    # of which the next comes after half a second
    assert silent.cost.seconds == pytest.approx(0.05, rel=0.25)
    # and never for longer than two
    assert np.diff(Run(0.01, 0.1, answer=30.0).go(60.0).sent[1:]).max() < 2.3


def test_one_that_stands_still_measures_nothing() -> None:
    run = Run(0.01, 0.5, lambda since: 0.01 if since < 0.1 else 0.0)
    for frame in range(100):
        run.cost.sent(0.1 * frame, 0.04, running=False)
    assert not run.cost.rests(10.0)
    run.now = 10.0
    assert run.go(30.0).cost.seconds == pytest.approx(0.06, rel=0.25)
