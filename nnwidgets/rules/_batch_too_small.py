"""Batches whose noise hides the way down."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from nnwidgets.records import Finding, History, UnknownReading

from ._course import course_of
from ._levels import is_below_chance


@dataclass(frozen=True)
class BatchTooSmall:
    """With a few examples a batch, the loss changes by half of itself from step to step; it neither fell nor is below guessing.

    A suspicion: a fork with batches four times as large confirms it.
    """

    steps: int = 100
    batch: int = 8
    noise: float = 0.5

    def check(self, history: History) -> Finding | None:
        """Small batches, much noise, and a loss that did not fall.

        Raises:
            UnknownReading: the size of a batch is not known.
        """
        size = history.facts.batch_size
        if size is None:
            raise UnknownReading("how many examples a batch has is not known.")
        loss = course_of(history, steps=self.steps)
        level = abs(float(np.median(loss.part(2, 4))))
        quiet = len(loss.values) < self.steps or size > self.batch or loss.noise < self.noise * level
        if quiet or loss.fell or is_below_chance(loss, history.facts):
            return None
        return Finding(
            rule="BatchTooSmall",
            severity="warning",
            where="",
            step=int(loss.steps[-1]),
            evidence={"examples in a batch": size, "noise of a step": loss.noise, "loss": loss.end},
            explanation=f"Batches of {size} make the loss jump by {loss.noise:.3g} about {loss.end:.3g}, and it does not fall.",
            remedy="Use batches four times as large, or accumulate gradients (optax.MultiSteps).",
            confirm="larger batch",
        )
