"""Real targets that are far too large or too small."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from nnwidgets.records import Finding

from ._first_step import first_step
from ._setup import Setup
from ._told import told


@dataclass(frozen=True)
class TargetScale:
    """The targets of a regression are far from the size that an untrained network gives: about 1.

    Large ones make large gradients, so that steps overshoot, or take an optimizer with steps of fixed size thousands of
    steps only to reach their mean. Red only where the first step shows that. A network that scales its own outputs is
    not meant.
    """

    largest: float = 10.0
    smallest: float = 1e-3
    most_steps: float = 500.0

    def check(self, setup: Setup) -> Finding | None:
        """The targets' size, and what the first step does."""
        if setup.train.head.loss not in ("squared error", "absolute error"):
            return None
        for field in setup.fields:
            if not field.is_target or field.is_input or field.dtype.kind not in "fiuV":
                continue
            values = field.values.astype(np.float64)
            values = values[np.isfinite(values)]
            size = float(np.sqrt(np.mean(values**2))) if values.size else 1.0
            if self.smallest <= size <= self.largest or size == 0:
                continue
            start = first_step(setup)
            off = start.excess > 2
            wild = size > self.largest and start.after > 1.5 * start.loss
            slow = off and size > self.largest and start.steps_needed > self.most_steps
            if size > self.largest and not (off or wild) and start.loss < 0.1 * size:
                continue
            sign = "The first step makes the loss of its own batch worse." if wild else ""
            sign = sign or (f"{start.steps_needed:.3g} steps like the first one only reach their mean." if slow else "")
            return told(
                self,
                f"The targets in {field.name} are of size {size:.3g} (root mean square). {sign}".rstrip(),
                "Standardise the targets with the training data's mean and standard deviation, and turn predictions back.",
                severity="problem" if wild or slow else "warning",
                where=setup.train.head.layers[-1] if setup.train.head.layers else "",
                confirm="output bias" if size > self.largest else "",
                change=("output bias", float(values.mean())) if size > self.largest else None,
                mean=float(values.mean()),
                standard_deviation=float(values.std()),
                first_loss=start.loss,
                after_one_step=start.after,
            )
        return None
