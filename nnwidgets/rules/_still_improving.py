"""A run that ends too early."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from nnwidgets.records import Finding, History

from ._course import course_of


@dataclass(frozen=True)
class StillImproving:
    """The loss still falls at the end of the run, by more than noise: more steps would lower it further. Nothing is wrong.

    Red only where the data ended while the loss was in full fall: that run is over, and the network is hardly trained. Usual
    causes then: too few epochs, batches that are too large for the number of examples.

    Attributes:
        steps: of the run, at least; a tenth of that where the data ended.
        share: of the whole fall, in the last quarter.
        steep: share of the first loss that it still fell from the middle third to the last one, where the data ended.
    """

    steps: int = 100
    share: float = 0.02
    steep: float = 0.08

    def check(self, history: History) -> Finding | None:
        """A trend in the last half, of more than a fiftieth of the whole fall."""
        if history.facts.data_ended:
            return self._cut_short(history)
        loss = course_of(history, steps=self.steps)
        fall = float(np.median(loss.part(2, 3)) - np.median(loss.part(3, 4)))
        if len(loss.values) < self.steps or not loss.falls(2, 4) or fall < self.share * (loss.start - loss.end):
            return None
        return Finding(
            rule="StillImproving",
            severity="note",
            where="",
            step=int(loss.steps[-1]),
            evidence={"fall in the last quarter": fall, "loss now": loss.end},
            explanation="The loss still falls at the end.",
            remedy="Train for more steps.",
        )

    def _cut_short(self, history: History) -> Finding | None:
        loss = course_of(history, steps=self.steps // 10)
        third = len(loss.values) // 3
        middle, last = (float(np.median(part)) for part in (loss.values[third:-third], loss.values[-third:]))
        error = 1.25 * loss.noise * np.sqrt(2 / third)
        if middle - last < max(self.steep * loss.scale, 3 * error) or last < 0.5 * loss.start:
            return None
        return Finding(
            rule="StillImproving",
            severity="problem",
            where="",
            step=int(loss.steps[-1]),
            evidence={"steps": len(loss.values), "loss at the start": loss.start, "loss in the last third": last}
            | {"fall from the middle third": middle - last},
            explanation=f"The data ended after {len(loss.values)} steps, while the loss was in full fall: {loss.start:.4g} "
            f"at the start, {middle:.4g} and {last:.4g} in the middle and the last third.",
            remedy="Train for more epochs, or with smaller batches: more steps on the same examples.",
        )
