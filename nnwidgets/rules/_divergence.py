"""A loss that grows."""

from __future__ import annotations

from dataclasses import dataclass

from nnwidgets.records import Finding, History

from ._course import course_of


@dataclass(frozen=True)
class Divergence:
    """The loss rose far above its start and stayed there: training makes it worse.

    Red from twice the start on, for all of the last quarter of the steps, or in all the steps before the loss stopped
    being a number. Usual causes: a learning rate that is too high for the scale of inputs or loss (a sum where a mean is
    meant), a wrong sign.
    """

    steps: int = 100
    factor: float = 2.0
    before_nan: float = 10.0

    def check(self, history: History) -> Finding | None:
        """The last quarter lies above the start, by more than noise."""
        loss = course_of(history, steps=self.steps)
        size = max(abs(loss.first), loss.noise if loss.whole else 0.0, 1e-30)
        if loss.whole:
            grown = loss.rose and loss.end - loss.first > (self.factor - 1) * size
            end = loss.end
        else:
            end = float(loss.values[-1])
            grown = end - loss.first > (self.before_nan - 1) * size
        if not grown:
            return None
        return Finding(
            rule="Divergence",
            severity="problem",
            where="",
            step=int(loss.steps[-1]),
            evidence={"loss at the start": loss.first, "loss now": end, "highest": float(loss.values.max())},
            explanation=f"The loss grew from {loss.first:.4g} to {end:.4g}.",
            remedy="Lower the learning rate; look whether the update goes against the gradient.",
            change=("multiplier", 0.1),
        )
