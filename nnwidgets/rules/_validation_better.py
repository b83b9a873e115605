"""A validation loss far below that of training."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from nnwidgets.records import Finding, History

from ._course import course_of
from ._validation import validated


@dataclass(frozen=True)
class ValidationBetter:
    """At every validation the loss is less than half of that in training.

    A little less is usual with dropout and augmentation. Usual causes: dropout or augmentation that is far too strong,
    validation data that are easier or are among the training data, a training loss that is a sum.
    """

    steps: int = 100
    share: float = 0.5

    def check(self, history: History) -> Finding | None:
        """At all validations, and by more than the noise of the training loss.

        Raises:
            UnknownReading: there is no validation, or too few steps.
        """
        loss = course_of(history, steps=self.steps)
        both = validated(history)
        penalty = float(np.median(history["train/penalty"].values)) if "train/penalty" in history else 0.0
        gap = both.train - penalty - np.maximum(both.validation - penalty, 0.0)
        if (both.train <= 0).any() or (both.validation >= self.share * both.train).any() or (gap < loss.noise).any():
            return None
        return Finding(
            rule="ValidationBetter",
            severity="warning",
            where="",
            step=int(both.steps[-1]),
            evidence={"train/loss": float(both.train[-1]), "validation/loss": float(both.validation[-1])},
            explanation=f"The loss is {both.train[-1]:.3g} in training and only {both.validation[-1]:.3g} in validation.",
            remedy="Look at dropout and augmentation, which are off in validation, and whether validation data are among the "
            "training data.",
        )
