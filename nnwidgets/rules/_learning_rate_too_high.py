"""Steps that are too large."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from nnwidgets.records import Finding, History, UnknownReading

from ._course import CERTAIN, Course, Floats, course_of, difference, noise_of
from ._dead_units import DeadUnits
from ._ratios import middle, ratios_of


@dataclass(frozen=True)
class LearningRateTooHigh:
    """The loss behaves as with steps that are too large: above its start, thrown up at first, or lost again what it had won.

    Or most units of a layer died in the course of the run (see `DeadUnits`). A suspicion, since other things can do the
    same: a fork with a tenth of the learning rate confirms it. Shown are the loss at the start, at its highest, at its
    best and now. See Choi et al. 2019, "On empirical comparisons of optimizers for deep learning"; the initial spike is
    that of the Deep Learning Tuning Playbook.
    """

    steps: int = 100
    above: float = 1.2
    spike: float = 4.0
    lost: float = 0.5
    before_nan: float = 10.0

    def check(self, history: History) -> Finding | None:
        """One of the signs, each beyond what noise does."""
        loss = course_of(history, steps=self.steps)
        signs = [*self._signs(loss), *_deaths(history)] if loss.whole else self._signs_before_nan(loss)
        if not signs:
            return None
        known = middle(ratios_of(history, 1, 1).median()) if "update/ratio" in history else None
        evidence: dict[str, Any] = {"loss at the start": loss.first, "highest": float(loss.values.max())}
        evidence |= {
            "best": float(_best(loss.values).mean()),
            "loss now": loss.end if loss.whole else float(loss.values[-1]),
        }
        evidence |= {} if known is None else {"update over parameter, middle tensor": known}
        return Finding(
            rule="LearningRateTooHigh",
            severity="warning",
            where="",
            step=int(loss.steps[-1]),
            evidence=evidence,
            explanation=f"{signs[0]}, as happens when the learning rate is too high.",
            remedy="Lower the learning rate tenfold.",
            confirm="lower learning rate",
            change=("multiplier", 0.1),
        )

    def _signs(self, loss: Course) -> list[str]:
        size, early = max(abs(loss.first), loss.noise), loss.part(0, 1)
        # medians of five steps: a single bad batch throws nothing up
        height = float(np.median(np.lib.stride_tricks.sliding_window_view(early, 5), axis=1).max())
        signs: list[str] = []
        if loss.rose and loss.end - loss.first > (self.above - 1) * size:
            signs.append("The loss is above its start")
        if height - loss.first > (self.spike - 1) * size + 5 * noise_of(early):
            signs.append(f"The loss was thrown up to {early.max():.4g} at first")
        best, last = _best(loss.part(0, 3)), loss.part(3, 4)
        won, lost = loss.start - float(best.mean()), loss.end - float(best.mean())
        if won > 0.1 * loss.scale and lost > self.lost * won and difference(last, best) > 2 * CERTAIN:
            signs.append("The loss has lost again much of what it had won")
        return signs

    def _signs_before_nan(self, loss: Course) -> list[str]:
        size = max(abs(loss.first), 1e-30)
        grew = float(loss.values[-1]) - loss.first > (self.before_nan - 1) * size
        return [f"The loss grew to {loss.values[-1]:.4g} before it stopped being a number"] if grew else []


def _deaths(history: History) -> list[str]:
    """Layers whose units died in the course of the run, in the words of `DeadUnits`."""
    try:
        found = DeadUnits().check(history)
    except UnknownReading:
        return []
    return [each.explanation.rstrip(".") for each in found if each.change]


def _best(values: Floats) -> Floats:
    """The neighbouring steps, a twelfth of all, with the lowest mean."""
    width = min(max(8, len(values) // 12), len(values))
    sums = np.cumsum(np.append(0.0, values))
    begin = int(np.argmin(sums[width:] - sums[:-width]))
    return values[begin : begin + width]
