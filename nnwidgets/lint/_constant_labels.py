"""Targets that are all the same."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from nnwidgets.records import Finding

from ._classes import find_classes
from ._setup import Setup
from ._told import told


@dataclass(frozen=True)
class ConstantLabels:
    """All targets of the first batches are the same: there is nothing to tell apart, and the loss falls for no reason.

    Usual causes: labels divided by 255 with the images, so that as whole numbers all are 0; a wrong column; a file that
    holds one class only.
    """

    fewest: int = 20

    def check(self, setup: Setup) -> Finding | None:
        """The first target without any variation."""
        used = self._used(setup)
        for field in setup.fields:
            values = field.values
            if not field.is_target or field.is_input or len(values) < self.fewest or not values.size:
                continue
            constant = bool((values == values[:1]).all()) or (used is not None and used == 1)
            if constant:
                return told(
                    self,
                    f"All {len(values)} targets of the first batches in {field.name} are the same.",
                    "Look at how the targets are made: scale the inputs, not the labels.",
                    where=setup.train.head.layers[-1] if setup.train.head.layers else "",
                    examples=len(values),
                    value=float(np.ravel(values)[0]),
                )
        return None

    def _used(self, setup: Setup) -> int | None:
        """How many different classes the loss itself sees, after casts."""
        labels = list(setup.train.head.labels())
        if not labels or find_classes(setup):
            return None
        seen = []
        for label in labels:
            parts = [setup.train.values([label.value], batch)[0] for batch in setup.batches]
            values = np.concatenate([part.ravel() for part in parts])
            # an index is cut to a whole number; a comparison with 0, 1, 2, ... is not
            seen.append(values if label.chosen is None else np.trunc(values.astype(np.float64)))
        return max(len(np.unique(each)) for each in seen) if min(each.size for each in seen) >= self.fewest else None
