"""Labels that do not belong to their inputs."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from nnwidgets.records import Finding, History, UnknownReading

from ._course import course_of
from ._validation import validated


@dataclass(frozen=True)
class MisalignedLabels:
    """The network fits its training data but does no better than chance on validation: the labels may belong to other inputs.

    Chance is the loss of a constant output (the entropy of the labels, the variance of the targets). It is confirmed
    where the run learns no faster than with the labels of each batch shuffled. Usual causes: inputs that were shuffled
    or sorted without their labels, a join of two tables in different order.

    Attributes:
        steps: of the run, at least.
        fallen: share of chance by which the training loss lies below it.
    """

    steps: int = 100
    fallen: float = 0.03

    def check(self, history: History) -> Finding | None:
        """Training below chance, validation never.

        Raises:
            UnknownReading: there is no validation, chance is not known, or too few steps.
        """
        loss, both = course_of(history, steps=self.steps), validated(history, least=1)
        if not history.facts.levels:
            raise UnknownReading("the loss of a constant output is not known.")
        chance = min(value for name, value in history.facts.levels if "floor" not in name)
        best = float(np.min(both.validation))
        if chance <= 0 or loss.end > (1 - self.fallen) * chance or best < (1 - self.fallen) * chance:
            return None
        return Finding(
            rule="MisalignedLabels",
            severity="warning",
            where="",
            step=int(loss.steps[-1]),
            evidence={"train/loss": loss.end, "best validation/loss": best, "chance": chance},
            explanation=f"In training the loss is {loss.end:.4g}, below the {chance:.4g} of a constant output; in "
            f"validation it never was ({best:.4g} at best).",
            remedy="See that inputs and labels are shuffled, sorted and joined together; look at a few of them side by side.",
            confirm="shuffled labels",
        )
