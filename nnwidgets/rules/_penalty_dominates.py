"""A penalty that is trained instead of the data loss."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from nnwidgets.records import Finding, History

from ._course import course_of


@dataclass(frozen=True)
class PenaltyDominates:
    """The penalty is most of the loss from the start on, and the rest of the loss does not fall: the penalty is trained.

    Read where the loss tells its penalty (``aux["penalty"]``, Keras regularizers). A penalty that is most of a small
    loss at the end of training is as it should be. Usual causes: a coefficient that is too large, a sum over batches or
    weights that was meant to be a mean.
    """

    steps: int = 100
    most: float = 0.5
    nearly: float = 0.9

    def check(self, history: History) -> Finding | None:
        """The penalty's share in the first tenth and in the whole, and the course of the rest.

        Raises:
            UnknownReading: the loss tells no penalty.
        """
        penalty = course_of(history, "train/penalty", self.steps)
        loss = course_of(history, steps=self.steps)
        count = min(len(loss.values), len(penalty.values))
        whole, part = loss.values[:count], penalty.values[:count]
        # a metric of the user's that is called so need not be a part of the loss
        if count < self.steps or (part < 0).any() or (part > 1.01 * np.abs(whole)).any():
            return None
        share = part / np.maximum(whole, 1e-30)
        first, median = float(np.median(share[: count // 10])), float(np.median(share))
        rest = replace(loss, steps=loss.steps[:count], values=whole - part)
        if min(first, median) < self.most or rest.fell:
            return None
        return Finding(
            rule="PenaltyDominates",
            severity="problem" if min(first, median) >= self.nearly or rest.rose else "warning",
            where="",
            step=int(loss.steps[count - 1]),
            evidence={"penalty over loss at first": first, "in the middle": median}
            | {"rest of the loss at first": rest.start, "rest now": rest.end},
            explanation=f"{first:.0%} of the loss is penalty at first, and the rest of it does not fall.",
            remedy="Lower the penalty's coefficient tenfold or more.",
        )
