"""A loss that does not fall although the parameters move."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from nnwidgets.records import Finding, History

from ._course import Course, course_of
from ._levels import chance
from ._ratios import is_warming_up, travelled


@dataclass(frozen=True)
class NothingLearned:
    """The loss is no lower than at the start, although the parameters have gone a good part of their own size.

    It is red only where the loss is still as high as guessing would be (`Facts.levels`): a run that begins with
    trained parameters has little to learn. Where the noise would hide a fall of a twentieth, nothing is said. Usual
    causes: targets that do not belong to the inputs, a head that cannot say what the loss asks for, gradients that do
    not reach the layers, a sign, a learning rate far too high.
    """

    steps: int = 100
    hidden: float = 0.05
    travel: float = 0.1

    def check(self, history: History) -> Finding | None:
        """No trend, no difference between first and last steps, in the loss or in the accuracy."""
        loss = course_of(history, steps=self.steps)
        way = travelled(history)
        if len(loss.values) < self.steps or loss.fell or _accuracy_rose(history):
            return None
        visible = 3 * float(np.hypot(loss.standard_error(0, 1), loss.standard_error(3, 4)))
        if visible > self.hidden * loss.scale or (way is not None and way < self.travel):
            return None
        if way is None or is_warming_up(history):
            severity, level = "warning", None
        else:
            level = chance(history.facts)
            certain = level is not None and loss.end > level[1] - 2 * loss.standard_error(2, 4) - 0.01 * abs(level[1])
            severity = "problem" if certain else "warning"
        guess = {} if level is None else {level[0]: level[1]}
        return Finding(
            rule="NothingLearned",
            severity=severity,
            where="",
            step=int(loss.steps[-1]),
            evidence={"loss at the start": loss.start, "loss now": loss.end, "noise of a step": loss.noise}
            | ({} if way is None else {"way of the middle tensor, in its own size": way})
            | guess,
            explanation=f"The loss did not fall in {len(loss.values)} steps, although the parameters moved.",
            remedy="Look whether inputs and targets belong together, whether the outputs can reach the targets, and try "
            "to learn a single batch by heart.",
        )


def _accuracy_rose(history: History) -> bool:
    if "train/accuracy" not in history:
        return False
    accuracy = course_of(history, "train/accuracy", 3)
    return Course(accuracy.steps, -accuracy.values, accuracy.whole, accuracy.epoch).fell
