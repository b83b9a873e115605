"""A loss that goes up and down from step to step."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from nnwidgets.records import Finding, History

from ._course import course_of


@dataclass(frozen=True)
class Oscillation:
    """The loss jumps up and down between neighbouring steps, more regularly than different batches make it.

    Told from noise by the correlation of neighbouring differences: -1/2 for independent noise, -1 for a loss that
    alternates, as it does where a step overshoots the bottom of a valley. A fork with a tenth of the learning rate confirms it.
    Data of a few batches alternate by themselves: nothing is said of those.
    """

    steps: int = 100
    correlation: float = -0.9
    size: float = 0.1
    little: float = 0.02
    batches: int = 8

    def check(self, history: History) -> Finding | None:
        """Alternation in the last half that is a good part of the loss."""
        loss = course_of(history, steps=self.steps)
        epoch = history.facts.steps_per_epoch
        if len(loss.values) < self.steps or (epoch is not None and 1 < epoch < self.batches):
            return None
        values = loss.part(2, 4)
        jumps = np.diff(values)
        spread = float(jumps.std())
        if spread == 0:
            return None
        correlation = float(np.mean(jumps[1:] * jumps[:-1]) / spread**2)
        swing = float(np.median(np.abs(jumps)))
        # a swing that is small beside where the loss began is of no account
        small = swing < max(self.size * abs(float(np.median(values))), self.little * loss.scale)
        if correlation > self.correlation or small:
            return None
        return Finding(
            rule="Oscillation",
            severity="warning",
            where="",
            step=int(loss.steps[-1]),
            evidence={"correlation of neighbouring differences": correlation, "usual jump": swing, "loss": loss.end},
            explanation="The loss goes up and down from one step to the next: the steps overshoot.",
            remedy="Lower the learning rate.",
            confirm="lower learning rate",
            change=("multiplier", 0.1),
        )
