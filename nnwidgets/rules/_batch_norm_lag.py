"""A network that is far worse in evaluation than in training."""

from __future__ import annotations

from dataclasses import dataclass

from nnwidgets.records import Finding, History

from ._course import course_of
from ._validation import validated


@dataclass(frozen=True)
class BatchNormLag:
    """From the first validation on the loss is far above its start, while it is below it in training.

    So it is where a batch normalization's running averages are not those of the data: not stored, or far behind
    (Flax's momentum of 0.99 takes hundreds of steps). The same batch in both modes confirms it. Other causes: validation
    data that are prepared otherwise than training's.
    """

    steps: int = 40
    factor: float = 1.5

    def check(self, history: History) -> Finding | None:
        """The first validation against the first training loss.

        Raises:
            UnknownReading: there is no validation, or too few steps.
        """
        loss = course_of(history, steps=self.steps)
        both = validated(history, least=1)
        start = loss.start + 2 * loss.noise
        far = both.validation[0] >= self.factor * start
        # it comes nearer as the averages do: a network that has learned its training data by heart goes the other way
        nearer = (
            both.validation[0] > 0.25 * start
            and both.validation[0] > 10 * both.train[0]
            and both.validation[-1] < 0.5 * both.validation[0]
        )
        if start <= 0 or both.train[0] >= loss.start or not (far or nearer):
            return None
        return Finding(
            rule="BatchNormLag",
            severity="warning",
            where="",
            step=int(both.steps[0]),
            evidence={"first train/loss": loss.first, "train/loss": float(both.train[0])}
            | {"validation/loss": float(both.validation[0])},
            explanation=f"In evaluation the loss is {both.validation[0]:.3g}, in training {both.train[0]:.3g}; it began at "
            f"{loss.first:.3g}.",
            remedy="Look whether batch statistics are stored, lower their momentum, and prepare both sets of data alike.",
            confirm="train and evaluation",
        )
