"""A first loss that is far above chance."""

from __future__ import annotations

from dataclasses import dataclass

from nnwidgets.records import Finding

from ._first_step import first_step
from ._setup import Setup
from ._told import told


@dataclass(frozen=True)
class FirstLoss:
    """The untrained network does far worse than a constant output: the first part of training only undoes its start.

    Shown are the first loss, the loss with the last layer at zero (for classes: ln C) or, for real targets, at their
    mean, and how many steps like the first one lie between. Red where these are more than a run's worth. Usual causes:
    weights that start too large, inputs that are not scaled, an output bias that is not set although the targets lie
    far from 0. Karpathy, A Recipe for Training Neural Networks: "verify loss @ init", "init well".
    """

    above_chance: float = 4.0
    most_steps: float = 500.0

    def check(self, setup: Setup) -> Finding | None:
        """The first loss against the best constant output."""
        start = first_step(setup)
        if not start.loss > self.above_chance * start.chance or not start.chance > 0:
            return None
        slow = start.steps_needed > self.most_steps and start.loss > 10 * start.chance
        real = start.mean == start.mean
        return told(
            self,
            f"The first loss is {start.loss:.4g}; a constant output gives {start.chance:.4g}.",
            f"Start the output's bias at the mean of the targets ({start.mean:.4g}), or standardise the targets."
            if real
            else "Use the framework's default initialisers, scale the inputs, and start the last layer small.",
            severity="problem" if slow else "warning",
            where=setup.train.head.layers[-1] if setup.train.head.layers else "",
            confirm="output bias" if real else "",
            change=("output bias", start.mean) if real else None,
            first_loss=start.loss,
            loss_of_a_constant_output=start.chance,
            steps_like_the_first_to_get_there=start.steps_needed,
        )
