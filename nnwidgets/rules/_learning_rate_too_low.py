"""Steps that are too small."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from nnwidgets.records import Finding, History

from ._course import course_of
from ._ratios import is_warming_up, middle, ratios_of, short_of_usual


@dataclass(frozen=True)
class LearningRateTooLow:
    """The parameters hardly move: the update is far below a ten-thousandth of the parameter, and the loss creeps.

    A suspicion: a fork with a learning rate that makes updates of a thousandth (usual: CS231n notes), at least ten times as
    high, confirms it, if it ends far lower. Tensors that began at 0 do not count: what grows from 0 changes by a large share
    of itself at any rate. Nothing is said while the updates still grow, as in a warm-up, or where the loss has fallen by more
    than a tenth.

    Attributes:
        steps: of the run, at least.
        ratio: update over parameter of the middle tensor, of those that did not begin at 0.
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
        ratio = middle(ratios_of(history).median())
        if len(loss.values) < self.steps or ratio is None or not ratio > 0 or is_warming_up(history):
            return None
        small = ratio < self.ratio
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
        factor = max(10.0, short_of_usual(history))
        return Finding(
            rule="LearningRateTooLow",
            severity="warning",
            where="",
            step=int(loss.steps[-1]),
            evidence={"update over parameter, middle tensor": ratio, "loss at the start": loss.start}
            | {"loss now": loss.end, "noise of a step": loss.noise},
            explanation=f"The loss creeps, {loss.start:.4g} to {loss.end:.4g}: a step changes the middle tensor by {ratio:.1g}"
            " of its size.",
            remedy=f"Raise the learning rate {'tenfold' if factor == 10 else f'{factor:g} times'}.",
            confirm="higher learning rate",
            change=("multiplier", factor),
        )
