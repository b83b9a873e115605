"""One class that is nearly everything."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from nnwidgets.records import Finding

from ._classes import find_classes
from ._setup import Setup
from ._told import told


@dataclass(frozen=True)
class LabelImbalance:
    """One class is nearly all of the first batches: always saying that class looks accurate.

    Not a fault by itself: compare the accuracy with the share shown here, and look at the rare classes' own error.
    """

    share: float = 0.9

    def check(self, setup: Setup) -> Finding | None:
        """The largest class's share."""
        for each in find_classes(setup):
            classes, counts = np.unique(each.labels, return_counts=True)
            largest = float(counts.max() / counts.sum())
            # fewer examples of the rest than this could be chance
            if len(classes) > 1 and largest >= self.share and counts.sum() >= 50:
                return told(
                    self,
                    f"Class {classes[counts.argmax()]} is {largest:.0%} of the first batches.",
                    "Weight the rare classes in the loss or draw them more often, and judge by a measure for each class.",
                    severity="warning",
                    share=largest,
                    classes=len(classes),
                    examples=int(counts.sum()),
                )
        return None
