"""A loss that was nothing from the first step on."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from nnwidgets.records import Finding, History

from ._course import course_of


@dataclass(frozen=True)
class ZeroLoss:
    """The loss was 0 at every step, from the first one on: it looks perfect and measures nothing.

    Usual causes: a softmax over a single output, a categorical cross-entropy of one column, labels that are all zeros, a
    mask that keeps nothing. A cross-entropy counts as 0 below 1e-5: no network that was not trained is so certain.
    """

    steps: int = 10
    certain: float = 1e-5

    def check(self, history: History) -> Finding | None:
        """Every step's loss is 0."""
        loss = course_of(history, steps=self.steps)
        largest = float(np.abs(loss.values).max())
        if largest > (self.certain if "cross-entropy" in history.facts.loss else 0.0):
            return None
        return Finding(
            rule="ZeroLoss",
            severity="problem",
            where="",
            step=int(loss.steps[0]),
            evidence={"largest loss": largest, "steps": len(loss.values)},
            explanation="The loss is 0 from the first step on, before anything can have been learned.",
            remedy="Look at what the loss compares: as many outputs as classes, labels that differ, a mask that keeps some.",
        )
