"""Parameters that stay as they are."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from nnwidgets.records import Finding, History, Series

from ._course import tensors_of


@dataclass(frozen=True)
class NothingChanges:
    """No parameter changes any more, for at least half of the run, although there are gradients.

    Every update that was read is exactly 0, and the parameters' sizes are the same to the last bit, so that an optimizer that
    gathers gradients over several steps is not meant. Usual causes: a learning rate of 0 (a schedule that has ended, or
    counts epochs where steps are meant), a mask that freezes everything, updates that are not applied.
    """

    rows: int = 5
    steps: int = 20

    def check(self, history: History) -> Finding | None:
        """All tensors, at the last half of the readings."""
        if "applied/norm" in history and (found := self._not_applied(history)) is not None:
            return found
        updates = tensors_of(history, "update/norm", self.rows, self.steps)
        still = (updates.values == 0).all(axis=1)
        # the first step of a warm-up does nothing
        since = len(still) - int(np.argmin(still[::-1])) if not still.all() else 0
        step = int(updates.steps[min(since, len(still) - 1)])
        first, last = int(updates.steps[0]), int(updates.steps[-1])
        if since > len(still) / 2 or last - step < max(self.steps - 1, (last - first) / 2) or _moved(history, step):
            return None
        gradient = tensors_of(history, "gradient/norm", self.rows, self.steps)
        if not (gradient.values[gradient.steps >= step] > 0).any():
            return None
        return Finding(
            rule="NothingChanges",
            severity="problem",
            where="",
            step=step,
            evidence={"update/norm": 0.0, "tensors": len(updates.layers), "readings": len(still) - since}
            | {"gradient/norm": float(np.nanmax(gradient.values[-1]))},
            explanation=f"Every update is exactly 0 from step {step} on, although there are gradients: nothing is trained.",
            remedy="Look at the learning rate (a schedule counts steps, not epochs), at the optimizer's masks, and whether "
            "the updates are applied.",
        )

    def _not_applied(self, history: History) -> Finding | None:
        """In a loop of the user's own: parameters that are the same bits after every step that was read."""
        applied = tensors_of(history, "applied/norm", 3, self.steps)
        own = tensors_of(history, "objective/gradient", 3, self.steps)
        if (applied.values != 0).any() or not (own.values > 0).any():
            return None
        return Finding(
            rule="NothingChanges",
            severity="problem",
            where="",
            step=int(applied.steps[-1]),
            evidence={"change of all parameters": 0.0, "readings": len(applied.steps)}
            | {"objective/gradient": float(np.nanmax(own.values[-1]))},
            explanation=f"The parameters are the same bits after each of {len(applied.steps)} steps that were read, although "
            "the loss has a gradient: updates are computed and not applied.",
            remedy="Call optax.apply_updates(params, updates), return the new parameters from the step, and go on with them.",
        )


def _moved(history: History, step: int) -> bool:
    if "parameter/norm" not in history:
        return False
    size: Series = history["parameter/norm"]
    later = size.values[size.steps >= step]
    return bool((later != later[:1]).any())
