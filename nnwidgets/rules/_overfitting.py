"""What is learned of the training data and not of others."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from nnwidgets.records import Finding, History

from ._course import course_of
from ._levels import chance
from ._validation import Validated, validated


@dataclass(frozen=True)
class Overfitting:
    """The loss of the training data falls, that of the validation data rises again or never gets below guessing.

    Red where the validation loss stays above what guessing gives (`Facts.levels`) while the training loss is far below
    it, unless the validation accuracy is better than guessing. Usual causes: few data for a large network, labels that
    do not belong to their inputs, validation data of another kind, too many epochs.
    """

    steps: int = 100
    rise: float = 0.1
    little: float = 0.05
    learned: float = 0.7

    def check(self, history: History) -> Finding | None:
        """The best and the newest validation loss, and the training loss about the same steps.

        Raises:
            UnknownReading: there is no validation, or too few steps.
        """
        loss = course_of(history, steps=self.steps)
        both = validated(history)
        level = chance(history.facts)
        useless = level is not None and self._is_useless(both, level[1]) and not _better_than_guessing(history)
        if not useless and not (loss.fell and self._rises(both, loss.scale)):
            return None
        best = int(np.argmin(both.validation))
        words = (
            f"The loss is {both.train[-1]:.3g} in training and {both.validation[-1]:.3g} in validation, "
            + (f"above guessing ({level[1]:.3g})" if useless and level else f"where it was {both.validation[best]:.3g} before")
        )  # fmt: skip
        return Finding(
            rule="Overfitting",
            severity="problem" if useless else "warning",
            where="",
            step=int(both.steps[-1]),
            evidence={"train/loss": float(both.train[-1]), "validation/loss": float(both.validation[-1])}
            | {"best validation/loss": float(both.validation[best]), "at step": int(both.steps[best])},
            explanation=f"{words}: what was learned does not hold for other data.",
            remedy="More data or augmentation, a smaller network, dropout or weight decay, or stop earlier. Look first "
            "whether labels and inputs belong together, and whether both sets are prepared alike.",
        )

    def _is_useless(self, both: Validated, level: float) -> bool:
        late = len(both.steps) // 2
        above = bool((both.validation[late:] > level).all()) and level > 0
        return above and both.train[-1] < self.learned * level and bool(both.validation.min() > 0.98 * level)

    def _rises(self, both: Validated, scale: float) -> bool:
        """The last two readings are above the best one by a tenth (and a twentieth of the start), training went down since."""
        best = int(np.argmin(both.validation))
        if len(both.steps) < 4 or len(both.steps) - best < 3:
            return False
        least = max(self.rise * abs(float(both.validation[best])), self.little * scale)
        higher = both.validation[-2:].min() - both.validation[best] > least
        return bool(higher) and both.train[-1] < both.train[best]


def _better_than_guessing(history: History) -> bool:
    if "validation/accuracy" not in history or not history.facts.classes:
        return False
    accuracy = history["validation/accuracy"].values[:, 0]
    return bool(accuracy[-1] > 1.5 / history.facts.classes) if history.facts.classes > 2 else bool(accuracy[-1] > 0.6)
