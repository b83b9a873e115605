"""A loss below the least value that it can have."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from nnwidgets.records import Finding, History, UnknownReading

from ._course import course_of


@dataclass(frozen=True)
class NegativeLoss:
    """The loss is below the least value that it can have with proper targets, as a cross-entropy below zero.

    It is no measure of the error then: it can be lowered without end. Usual causes: labels outside of [0, 1] in a binary
    cross-entropy (class numbers of several classes), targets that are not probabilities, logits taken for
    probabilities. Shown are the least value and the loss.
    """

    steps: int = 10
    share: float = 0.01

    def check(self, history: History) -> Finding | None:
        """Several steps lie below it by more than rounding.

        Raises:
            UnknownReading: what the loss is, is not known.
        """
        least = history.facts.least
        if least is None:
            raise UnknownReading("what the least value of the loss is, is not known.")
        loss = course_of(history, steps=self.steps)
        size = max(float(np.median(np.abs(loss.values[: self.steps]))), abs(least))
        below = loss.values < least - self.share * size
        if below.sum() < 3:
            return None
        first = int(np.argmax(below))
        return Finding(
            rule="NegativeLoss",
            severity="problem",
            where="",
            step=int(loss.steps[first]),
            evidence={
                "train/loss": float(loss.values[-1]),
                "least possible": least,
                "steps below it": int(below.sum()),
            },
            explanation=f"A {history.facts.loss or 'loss of this kind'} cannot be below {least:g} with proper targets.",
            remedy="Look at the targets: a binary cross-entropy takes 0 and 1 (several classes need an output each).",
        )
