"""Steps that are too small."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from nnwidgets.records import Finding, History

from ._course import course_of, is_warming_up, tensors_of


@dataclass(frozen=True)
class LearningRateTooLow:
    """The parameters hardly move: the update is far below a ten-thousandth of the parameter, and the loss creeps.

    A suspicion: a fork with ten times the learning rate confirms it, if it ends far lower. Nothing is said while the
    updates still grow, as in a warm-up, or where the loss has fallen by more than a tenth. Usual: a thousandth (CS231n notes).

    Attributes:
        steps: of the run, at least.
        ratio: update over parameter of the middle tensor.
        fallen: share of its first value by which the loss fell.
        creeping: speak of runs with usual updates instead, whose loss falls as slowly at the end as at first, and by less than
            half; many healthy runs are like that, so only an experiment can tell.
    """

    steps: int = 100
    ratio: float = 1e-4
    fallen: float = 0.1
    creeping: bool = False

    def check(self, history: History) -> Finding | None:
        """Small updates of the middle tensor, and a loss that is near its start and does not level off."""
        loss = course_of(history, steps=self.steps)
        ratios = tensors_of(history, "update/ratio").median()
        known = ratios[np.isfinite(ratios)]
        middle = float(np.median(known)) if len(known) else np.inf
        if len(loss.values) < self.steps or not middle > 0 or is_warming_up(history):
            return None
        small = middle < self.ratio
        if small == self.creeping:
            return None
        fallen = self.fallen if small else 0.5
        quarters = [float(np.median(loss.part(i, i + 1))) for i in range(4)]
        early, late = quarters[0] - quarters[1], quarters[2] - quarters[3]
        error = 1.25 * loss.noise / np.sqrt(len(loss.values) / 4)
        levelled = early - 3 * late > 3 * error * np.sqrt(20)
        if loss.start - loss.end > fallen * loss.scale + small * 4 * loss.noise or levelled:
            return None
        if not small and not (late > 0 and loss.falls(0, 4)):
            return None
        return Finding(
            rule="LearningRateTooLow",
            severity="warning",
            where="",
            step=int(loss.steps[-1]),
            evidence={"update over parameter, middle tensor": middle, "loss at the start": loss.start}
            | {"loss now": loss.end, "noise of a step": loss.noise},
            explanation=f"The loss creeps, {loss.start:.4g} to {loss.end:.4g}: a step changes the middle tensor by {middle:.1g}"
            " of its size.",
            remedy="Raise the learning rate tenfold.",
            confirm="higher learning rate",
            change=("multiplier", 10.0),
        )
