"""A loss that sits at a value with a name."""

from __future__ import annotations

from dataclasses import dataclass

from nnwidgets.records import Finding, History

from ._course import CERTAIN, Course, blocks_of, course_of, trend
from ._ratios import is_warming_up, travelled


@dataclass(frozen=True)
class Plateau:
    """For the last half of the run the loss stays, within its own noise, at a value that is known to mean something.

    Such values are the entropy of the labels or ln C (the outputs do not depend on the inputs), the variance of the
    targets (the mean is predicted), or the floor of a softmax that is applied twice. Shown are the value with its name,
    the mean loss and its standard error. Usual causes: inputs that say nothing about the targets, a head or loss that does not
    fit, gradients that reach only the last bias, dead units.
    """

    steps: int = 100
    tolerance: float = 0.01
    travel: float = 0.1

    def check(self, history: History) -> Finding | None:
        """Both quarters of the last half have their mean there, and there is no trend."""
        loss = course_of(history, steps=self.steps)
        if len(loss.values) < self.steps:
            return None
        found = next((level for level in history.facts.levels if self._sits(loss, level[1])), None)
        if found is None:
            return None
        way = travelled(history)
        moved = way is not None and way >= self.travel and not is_warming_up(history)
        name, level = found
        mean, error = float(loss.part(2, 4).mean()), loss.standard_error(2, 4)
        return Finding(
            rule="Plateau",
            severity="problem" if moved else "warning",
            where="",
            step=int(loss.steps[len(loss.values) // 2]),
            evidence={"mean loss of the last half": mean, "its standard error": error, name: level},
            explanation=f"The loss stays at {level:.4g}: {name}.",
            remedy="Look whether the inputs reach the outputs, and whether outputs, loss and targets belong together.",
        )

    def _sits(self, loss: Course, level: float) -> bool:
        error = loss.standard_error(2, 4)
        near = self.tolerance * abs(level)
        if level == 0 or 2 * error > 0.1 * abs(level) or abs(trend(blocks_of(loss.part(2, 4), loss.epoch))) > CERTAIN:
            return False
        # a quarter's mean is less certain than the half's
        parts = ((2, 4, 2.5), (2, 3, 3.5), (3, 4, 3.5))
        return all(abs(float(loss.part(i, j).mean()) - level) <= near + width * error for i, j, width in parts)
