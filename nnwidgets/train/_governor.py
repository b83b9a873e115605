"""How often to look, so that watching stays inside its budget."""

from __future__ import annotations

import math
import statistics
from collections import deque

FLOOR_SECONDS = 0.3e-3
"""Watching may always add this much to a step, however short the step is."""

_SHARES = {"redraw": 0.4, "statistics": 0.3, "activations": 0.2, "histograms": 0.1}
_ALIKE = 1.0


class Governor:
    """Each kind of watching saves up its share of every step's allowance, and looks when it can pay for it.

    The allowance of a step is ``max(budget * step's own seconds, 0.3 ms)``. A kind whose look costs less than its share
    of that looks at every step, another at every k-th. What a look costs is measured, not assumed: see `charge`.

    Args:
        budget: the share of a run's own time that watching may add; 0 turns it off, `math.inf` lifts the limit.

    Raises:
        ValueError: if the budget is negative or not a number.

    Example:
        >>> governor = Governor(budget=0.05)
        >>> governor.join("statistics"), governor.due("statistics")
        (None, True)
    """

    def __init__(self, budget: float) -> None:
        if not budget >= 0:
            raise ValueError(f"budget must be a share of the run's time, such as 0.05, or 0 for off; got {budget!r}")
        self.budget = float(budget)
        self.run_seconds = 0.0
        self.spent_seconds = 0.0
        self.steps = 0
        self._bank: dict[str, float] = {}
        self._costs: dict[str, deque[float]] = {}
        self._recent: deque[float] = deque(maxlen=31)
        self._charged_in_step = 0.0

    def join(self, kind: str) -> None:
        """Take a kind into the sharing of the allowance."""
        self._bank.setdefault(kind, 0.0)

    def leave(self, kind: str) -> None:
        """Give the share of a kind to the others, say of the redraw when nobody looks."""
        self._bank.pop(kind, None)

    def due(self, kind: str) -> bool:
        """Whether this kind can pay for a look now. A kind that was never measured may look once."""
        if self.budget == 0 or kind not in self._bank:
            return False
        return math.isinf(self.budget) or kind not in self._costs or self._bank[kind] >= _ALIKE * self.cost(kind)

    def charge(self, kind: str, seconds: float, measured: bool = True) -> None:
        """Book a look. With `measured`, its seconds also become evidence for what the next one will cost."""
        if measured:
            self._costs.setdefault(kind, deque(maxlen=9)).append(seconds)
        self.spent_seconds += seconds
        self._charged_in_step += seconds
        if kind in self._bank:
            self._bank[kind] -= seconds

    def end_step(self, seconds: float) -> None:
        """Book a step that took this long on the clock, what was charged within it included."""
        own = max(seconds - self._charged_in_step, 0.0)
        self._charged_in_step = 0.0
        self.steps += 1
        self.run_seconds += own
        self._recent.append(own)
        if math.isinf(self.budget):
            return
        for kind in self._bank:
            limit = max(2 * self.cost(kind), self._share(kind))
            self._bank[kind] = min(self._bank[kind] + self._share(kind), limit)

    def cost(self, kind: str) -> float:
        """What one look of this kind costs, in seconds: the median of the newest measurements; 0.0 before the first."""
        return statistics.median(self._costs[kind]) if self._costs.get(kind) else 0.0

    def every(self, kind: str) -> int:
        """This kind looks at about every k-th step; 0 when it is off."""
        if self.budget == 0 or kind not in self._bank:
            return 0
        return (
            1
            if math.isinf(self.budget)
            else max(1, math.ceil(_ALIKE * self.cost(kind) / max(self._share(kind), 1e-12)))
        )

    @property
    def step_seconds(self) -> float:
        """The median of the newest steps' own seconds; 0.0 before the first."""
        return statistics.median(self._recent) if self._recent else 0.0

    @property
    def allowance(self) -> float:
        """Seconds that watching may add to a step, as steps are now."""
        return max(self.budget * self.step_seconds, FLOOR_SECONDS) if self.budget else 0.0

    @property
    def watching_share(self) -> float:
        """Seconds spent on watching over the run's own seconds, so far."""
        return self.spent_seconds / self.run_seconds if self.run_seconds else 0.0

    @property
    def kept(self) -> bool:
        """Whether the booked cost is inside the budget, by the rule that the class states."""
        allowed = max(self.budget * self.run_seconds, FLOOR_SECONDS * self.steps if self.budget else 0.0)
        return self.spent_seconds <= allowed

    def _share(self, kind: str) -> float:
        return self.allowance * _SHARES.get(kind, 0.1) / sum(_SHARES.get(other, 0.1) for other in self._bank)
