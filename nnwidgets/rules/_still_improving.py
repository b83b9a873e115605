"""A run that ends too early."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from nnwidgets.records import Finding, History

from ._course import course_of


@dataclass(frozen=True)
class StillImproving:
    """The loss still falls at the end of the run, by more than noise: more steps would lower it further. Nothing is wrong."""

    steps: int = 100
    share: float = 0.02

    def check(self, history: History) -> Finding | None:
        """A trend in the last half, of more than a fiftieth of the whole fall."""
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
