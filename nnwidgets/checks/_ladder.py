"""At which depth learning stops."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from nnwidgets.records import Check

from ._rungs import Climb, Rung, find_rungs
from ._subject import Subject
from ._tail import Unplaced
from ._told import told


@dataclass(frozen=True)
class Ladder:
    """The first layers alone, with a fresh linear output, then more of them: each depth must learn about as much as before.

    Each is trained for some steps. The first depth at which the loss no longer falls names the layer to
    look at. That may be one that loses the signal (all units dead, a saturated activation, a scale that is far off, a product
    of many small numbers) or cuts the gradient off. A narrow layer (a code) may cost something by design.
    Source: Tobin, "Troubleshooting Deep Neural Networks" (2019), "start simple"; Alain and Bengio, "Understanding
    intermediate layers using linear classifier probes" (2016).

    Attributes:
        rungs: depths that are tried, at most.
        steps: that each is trained, by Adam.
        rate: of Adam; a depth that seems stuck gets three times the steps at a third of it before anything is said.
        stuck: share of the best shallower depth's gain, below which a depth has learned nothing.
        worse: the same, below which it has learned less.
    """

    rungs: int = 4
    steps: int = 100
    rate: float = 3e-3
    stuck: float = 0.1
    worse: float = 0.5

    name: ClassVar[str] = "ladder"
    heading: ClassVar[int] = 1

    def seconds(self, subject: Subject) -> float:
        """About how long it takes: each depth is compiled."""
        return 10.0

    def run(self, subject: Subject) -> Check:
        """Train each depth."""
        try:
            rungs = find_rungs(subject, self.rungs)
        except Unplaced as error:
            return told(self, "can't be measured", "", "unknown", f"{error}.")
        if len(rungs) < 2:
            words = "fewer than two layers before the last one whose outputs are known."
            return told(self, "nothing to climb", "", "unknown", words)
        climb, gains, layers, losses = Climb(subject), list[float](), list[str](), list[float]()
        first = float("nan")
        for i, rung in enumerate(rungs):
            if subject.late:
                break
            subject.tell(f"ladder: up to {rung.layer}, {i + 1} of {len(rungs)}")
            first, last = climb.train(rung, self.steps, self.rate)
            if gains and first - last < self.worse * max(gains) and not subject.late:
                # slow is not stuck
                last = min(last, climb.train(rung, 3 * self.steps, self.rate / 3)[1])
            layers.append(rung.layer)
            losses.append(last)
            gains.append(first - last)
        measured = ", ".join(f"{layer} {loss:.3g}" for layer, loss in zip(layers, losses, strict=True))
        numbers: dict[str, Any] = {"layers": layers, "losses": losses, "first": first}
        verdict, words = self._judged(rungs, first, gains)
        return told(self, measured, "no depth worse than one before", verdict, words, **numbers)

    def _judged(self, rungs: list[Rung], first: float, gains: list[float]) -> tuple[str, str]:
        if len(gains) < 2:
            return "unknown", "the time was over before the second depth: run it again with more seconds."
        if not np.isfinite(first) or max(gains) <= 0.02 * abs(first):
            return "unknown", f"no depth learned anything in {self.steps} steps: see few points."
        for i in range(1, len(gains)):
            before = max(gains[:i])
            if before < 0.05 * abs(first):
                continue
            share = gains[i] / before
            narrow = rungs[i].width < min(rungs[i - 1].width, 16)
            later = max(gains[i:])
            # where a deeper one learns, nothing stops here
            if share < self.worse and later < self.worse * before:
                told_as = f"up to {rungs[i].layer} it learns {max(share, 0.0):.0%} of what it learns up to {rungs[i - 1].layer}"
                words = (
                    f"learning stops at {rungs[i].layer}: {told_as}. Look at its activations and gradients, its "
                    "initialisation, and what stands between the two."
                )
                return ("wrong" if share < self.stuck and not narrow else "suspicious"), words
        return "ok", "every depth learns."
