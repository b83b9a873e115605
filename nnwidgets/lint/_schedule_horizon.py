"""A learning-rate schedule that is over, or not yet begun, while the run goes on."""

from __future__ import annotations

from dataclasses import dataclass

from nnwidgets.records import Finding

from ._setup import Setup
from ._told import told
from ._trials import Trials, trials


@dataclass(frozen=True)
class ScheduleHorizon:
    """The learning rate falls to nothing within a few steps, or rises for so long that the run never sees it.

    The schedule's count in the optimizer's state is set ahead, and the sizes of the updates to the same gradients are
    compared. Usual causes: a horizon in epochs where the optimizer counts batches; a horizon in batches where gradients
    are accumulated, so that it counts only every k-th.
    """

    dead: float = 1e-3
    steps: int = 200

    def check(self, setup: Setup) -> Finding | None:
        """When updates end, and when they are largest, in steps."""
        tried = trials(setup)
        if tried is None or not tried.period or len(set(tried.sizes.values())) < 2:
            return None
        return self._over(tried) or self._late(tried)

    def _over(self, tried: Trials) -> Finding | None:
        sizes, largest = tried.sizes, max(tried.sizes.values())
        alive = [count for count, size in sizes.items() if size > self.dead * largest]
        later = [count for count in sizes if count > max(alive)]
        if not later or later[0] * tried.period >= self.steps:
            return None
        end = later[0]
        return told(
            self,
            f"The learning rate is gone after {self._end(tried, max(alive), end)} steps: later updates are at most "
            f"{sizes[end] / largest:.1g} of the largest one.",
            "Give the schedule its horizon in optimizer steps: epochs times batches per epoch"
            + (", divided by the gradients that are accumulated." if tried.period > 1 else "."),
            change=("schedule", "constant"),
            **{f"update_at_count_{count}": size for count, size in sizes.items() if count <= 1000},
        )

    def _end(self, tried: Trials, low: int, high: int) -> int:
        """The first count at which updates are gone, by halving."""
        largest = max(tried.sizes.values())
        while high - low > 1:
            middle = (low + high) // 2
            low, high = (middle, high) if tried.size_at(middle) > self.dead * largest else (low, middle)
        return high * tried.period

    def _late(self, tried: Trials) -> Finding | None:
        sizes, largest = tried.sizes, max(tried.sizes.values())
        seen = [size for count, size in sizes.items() if count * tried.period <= self.steps]
        # right if it counted batches, but it counts updates
        counted = (
            tried.period > 1 and tried.peak <= self.steps < tried.peak * tried.period and max(seen) < 0.7 * largest
        )
        if max(seen) > 0.2 * largest and not counted:
            return None
        return told(
            self,
            f"After {self.steps} steps the learning rate is at {max(seen) / largest:.0%} of its peak, which comes at about "
            f"step {tried.peak * tried.period}.",
            "Right for a long run; else give the warm-up its length in optimizer steps"
            + (f" (one for {tried.period} batches)." if tried.period > 1 else "."),
            severity="warning",
            confirm="higher learning rate",
            peak_at_step=tried.peak * tried.period,
            batches_per_update=tried.period,
        )
