"""Few large batches where many smaller ones would learn faster."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from nnwidgets.records import Finding, History, UnknownReading

from ._course import course_of


@dataclass(frozen=True)
class BatchTooLarge:
    """Large batches, few of them in an epoch: the loss falls without noise and is still far from levelling off.

    A note, since it costs time and not quality: smaller batches give more steps for the same work.
    """

    steps: int = 100
    batch: int = 512
    batches: int = 8
    noise: float = 0.02

    def check(self, history: History) -> Finding | None:
        """Noise far under the fall of the last half.

        Raises:
            UnknownReading: the size of a batch, or how many there are, is not known.
        """
        facts = history.facts
        if facts.batch_size is None or facts.steps_per_epoch is None:
            raise UnknownReading("how many examples a batch has, and how many batches an epoch, is not known.")
        loss = course_of(history, steps=self.steps)
        if len(loss.values) < self.steps or facts.batch_size < self.batch or facts.steps_per_epoch > self.batches:
            return None
        fall = float(np.median(loss.part(2, 3)) - np.median(loss.part(3, 4)))
        if not loss.falls(2, 4) or loss.noise > fall or loss.noise > self.noise * abs(loss.end):
            return None
        return Finding(
            rule="BatchTooLarge",
            severity="note",
            where="",
            step=int(loss.steps[-1]),
            evidence={"examples in a batch": facts.batch_size, "batches in an epoch": facts.steps_per_epoch}
            | {"fall in the last quarter": fall, "noise of a step": loss.noise},
            explanation=f"{facts.steps_per_epoch} batches of {facts.batch_size} make an epoch, and the loss still falls "
            "without noise.",
            remedy="Use smaller batches: more steps for the same work.",
        )
