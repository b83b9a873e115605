"""How often to look, so that watching stays inside its budget."""

from __future__ import annotations

import math
import statistics
import time
from collections import deque

FLOOR_SECONDS = 0.3e-3
"""Watching may always add this much to a step, however short the step is."""

_SHARES = {"redraw": 0.4, "statistics": 0.3, "activations": 0.2, "histograms": 0.1}
# The rest stays in reserve: a look may turn out dearer than those before it.
_PAID_OUT = 0.9
# How many times its usual seconds a look may take before the excess is put down to other programs on the machine.
_USUAL = 2.0


class Governor:
    """Each kind of watching saves up its share of every step's allowance, and looks when it can pay for it.

    The allowance of a step is ``max(budget * step's own seconds, 0.3 ms)``, less the seconds that went into deciding and
    bookkeeping. A kind whose look costs less than its share of that looks at every step, another at every k-th, and none
    while a look that turns out twice as dear would break the budget of the run so far. What a look costs is measured, not
    assumed: see `charge`. The seconds of a run's first step, which compiles, and of each
    kind's first look count on neither side: else compiling would pay for looks to come.

    Args:
        budget: the share of a run's own time that watching may add; 0 turns it off, `math.inf` lifts the limit.

    Attributes:
        run_seconds: the run's own time, from the second step on.
        spent_seconds: what watching added to it.
        steps: how many steps `run_seconds` is of.
        step_seconds: the median of the newest steps' own seconds; 0.0 before the second step.

    Raises:
        ValueError: if the budget is negative or not a number.

    Example:
        >>> governor = Governor(budget=0.05)
        >>> governor.join("statistics"), governor.due("statistics")
        (None, True)
    """

    def __init__(self, budget: float) -> None:
        if not (0 <= budget <= 1 or budget == math.inf):
            raise ValueError(
                f"budget must be a share of the run's time, such as 0.05 for 5 %, 0 for off, or math.inf; got {budget!r}"
            )
        self.budget = float(budget)
        self.run_seconds = self.spent_seconds = self.step_seconds = 0.0
        self.steps = 0
        self._bank: dict[str, float] = {}
        self._measured: dict[str, deque[float]] = {}
        self._costs: dict[str, float] = {}
        self._looked: set[str] = set()
        self._recent: deque[float] = deque(maxlen=31)
        self._clock: deque[float] = deque(maxlen=31)
        self._started = False
        # booked within the step that is being made, and owed by all kinds
        self._aside = self._overhead = 0.0

    def join(self, kind: str) -> None:
        """Take a kind into the sharing of the allowance."""
        self._bank.setdefault(kind, 0.0)

    def leave(self, kind: str) -> None:
        """Give the share of a kind to the others, and its debt, say of the redraw when nobody looks."""
        self._overhead -= min(self._bank.pop(kind, 0.0), 0.0)

    def due(self, kind: str) -> bool:
        """Whether this kind can pay for a look now. The first one is free, to see what it costs."""
        if self.budget == 0 or kind not in self._bank:
            return False
        if math.isinf(self.budget) or kind not in self._looked:
            return True
        cost = self._costs[kind]
        # once more for what comes with a look: the wait before a timed one, writing down what it read
        return self._bank[kind] >= cost and self.spent_seconds + (_USUAL + 1) * cost <= self.allowed_seconds

    def learn(self, kind: str, seconds: float) -> None:
        """Take this as evidence for what a look of this kind costs."""
        newest = self._measured.setdefault(kind, deque(maxlen=9))
        newest.append(seconds)
        self._costs[kind] = statistics.median(newest)

    def charge(self, kind: str, seconds: float, measured: bool = True, beside: float = 0.0) -> None:
        """Book a look. With `measured`, its seconds also become evidence for what the next one will cost.

        A look that took more than twice as long as usual was interrupted by something else: the excess is nobody's. `beside`
        are seconds by which it lengthens steps without being a part of them.
        """
        self._aside += seconds
        seconds += beside
        if measured:
            self.learn(kind, seconds)
            seconds = min(seconds, _USUAL * self._costs[kind]) if kind in self._looked else 0.0
            self._looked.add(kind)
        if self._started:
            self.spent_seconds += seconds
            self.run_seconds = max(self.run_seconds - beside, 0.0)
            self._owe(kind, seconds)

    def charge_all(self, seconds: float) -> None:
        """Book seconds that no kind of watching can be blamed for: all of them pay."""
        self._aside += seconds
        if self._started:
            self.spent_seconds += seconds
            self._overhead += seconds

    def set_aside(self, seconds: float) -> None:
        """Leave out seconds that come once in a run, such as for compiling the probes."""
        self._aside += seconds

    def begin_step(self) -> None:
        """What was booked since the last step, while the run stood still, is no part of the next one."""
        self._aside = 0.0

    def own_seconds(self, seconds: float) -> float:
        """What of so many seconds since the present step began is its own."""
        return max(seconds - self._aside, 0.0)

    def end_step(self, seconds: float) -> None:
        """Book a step that took this long on the clock, what was booked within it included."""
        entered = time.perf_counter()
        own = self.own_seconds(seconds)
        self._aside = 0.0
        if not self._started:
            self._started = True
            return
        self.steps += 1
        self.run_seconds += own
        self._recent.append(own)
        self._clock.append(seconds)
        self.step_seconds = statistics.median(self._recent)
        if self.budget and not math.isinf(self.budget):
            self._pay_in(_PAID_OUT * self.allowance)
        if self.budget:
            self.charge_all(time.perf_counter() - entered)

    def cost(self, kind: str) -> float:
        """What one look of this kind costs, in seconds: the median of the newest measurements; 0.0 before the first."""
        return self._costs.get(kind, 0.0)

    def every(self, kind: str) -> int:
        """This kind looks at about every k-th step; 0 when it is off."""
        if self.budget == 0 or kind not in self._bank:
            return 0
        if math.isinf(self.budget):
            return 1
        return max(1, round(self.cost(kind) / max(_PAID_OUT * self.allowance * self._part(kind), 1e-12)))

    @property
    def clock_seconds(self) -> float:
        """The mean of the newest steps' seconds on the clock, watching included; 0.0 before the second step."""
        return sum(self._clock) / len(self._clock) if self._clock else 0.0

    @property
    def allowance(self) -> float:
        """Seconds that watching may add to a step, as steps are now."""
        return max(self.budget * self.step_seconds, FLOOR_SECONDS) if self.budget else 0.0

    @property
    def allowed_seconds(self) -> float:
        """What watching may have added to the run so far."""
        return max(self.budget * self.run_seconds, FLOOR_SECONDS * self.steps)

    @property
    def watching_share(self) -> float:
        """Seconds spent on watching over the run's own seconds, so far."""
        return self.spent_seconds / self.run_seconds if self.run_seconds else 0.0

    @property
    def kept(self) -> bool:
        """Whether the booked cost is inside the budget, by the rule that the class states; true where it is off."""
        return self.budget == 0 or self.spent_seconds <= self.allowed_seconds

    def _owe(self, kind: str, seconds: float) -> None:
        if kind in self._bank:
            self._bank[kind] -= seconds
        else:
            self._overhead += seconds

    def _pay_in(self, seconds: float) -> None:
        """Share out what is left of a step's allowance; a bank holds no more than two looks: nothing is hoarded.

        What a kind that could look now has no use for goes to the redraw, of which alone nobody is told that it comes at every
        k-th step.
        """
        left = max(seconds - self._overhead, 0.0)
        self._overhead = max(self._overhead - seconds, 0.0)
        whole = sum(_SHARES.get(kind, 0.1) for kind in self._bank)
        spare = 0.0
        for kind, saved in self._bank.items():
            income = left * _SHARES.get(kind, 0.1) / whole
            self._bank[kind] = min(saved + income, max(2 * self.cost(kind), income))
            over = saved + income - self._bank[kind]
            spare += over if over > 0 and self.due(kind) else 0.0
        if "redraw" in self._bank:
            self._bank["redraw"] = min(self._bank["redraw"] + spare, max(2 * self.cost("redraw"), spare))

    def _part(self, kind: str) -> float:
        return _SHARES.get(kind, 0.1) / sum(_SHARES.get(other, 0.1) for other in self._bank)
