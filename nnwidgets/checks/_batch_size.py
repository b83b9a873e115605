"""Whether the loss depends on how many examples a batch has."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from nnwidgets.records import Check

from ._halves import parts_of
from ._subject import Subject
from ._told import told


@dataclass(frozen=True)
class BatchSize:
    """Half a batch must have about the same loss as the whole one; half of it says that the loss is a sum.

    A loss that is summed over the batch makes the steps grow with the size of the batch, so that a learning rate that
    suits one size is wrong for another; take the mean. Measured in evaluation, on the halves and the quarters of the
    first batches. Source: Goyal et al., "Accurate, Large Minibatch SGD" (2017), where a loss that is normalised by the
    wrong number of examples is one of the listed pitfalls.

    Attributes:
        tolerance: by which share of the loss the parts may differ from the whole; more where they differ among themselves.
    """

    tolerance: float = 0.02

    name: ClassVar[str] = "batch size"
    heading: ClassVar[int] = 2

    def seconds(self, subject: Subject) -> float:
        """About how long it takes: three sizes are compiled."""
        return 3.0

    def run(self, subject: Subject) -> Check:
        """The loss of halves and quarters against that of the whole."""
        parts = parts_of(subject)
        if parts is None:
            words = (
                "the batch has fewer than 4 rows, no common first axis, or the loss takes batches of one size alone."
            )
            return told(self, "can't be measured", "", "unknown", words)
        sizes = [parts.rows, *(parts.rows // count for count in parts.means)]
        losses = [parts.whole, *parts.means.values()]
        measured = ", ".join(f"{loss:.4g} with {size} rows" for size, loss in zip(sizes, losses, strict=True))
        numbers = {"sizes": sizes, "losses": losses}
        expected = "the same for every size"
        if not np.isfinite(losses).all() or parts.whole == 0:
            return told(self, measured, expected, "unknown", "the loss is 0 or not finite here.", **numbers)
        if parts.is_sum():
            words = (
                f"the loss is summed over the batch: gradients are {parts.rows} times those of the mean, and the right "
                "learning rate changes with the size of the batch. Take the mean: loss.mean() instead of loss.sum()."
            )
            return told(self, measured, expected, "wrong", words, **numbers)
        if parts.is_mean(self.tolerance):
            return told(self, measured, expected, "ok", "the loss is a mean over the batch.", **numbers)
        words = (
            "neither a mean nor a sum: the loss of an example depends on the others of its batch. That is meant where "
            "examples are compared with each other (contrastive losses), or weighed by what is in the batch; else look "
            "for statistics of the batch that are used in evaluation, too."
        )
        verdict = "suspicious" if subject.setup.train.head.loss else "unknown"
        return told(self, measured, expected, verdict, words, **numbers)
