"""A loss that no parameter reaches."""

from __future__ import annotations

from dataclasses import dataclass

from nnwidgets.records import Finding

from ._flow import flow_of
from ._parts import captured
from ._setup import Setup
from ._told import told


@dataclass(frozen=True)
class LossIgnoresParameters:
    """The loss is computed without any of the parameters: it is the same whatever they are; nothing can be learned.

    Seen from the program. Usual causes: the loss compares the labels with themselves, or reads a model or parameters
    from outside the function instead of its first argument.
    """

    def check(self, setup: Setup) -> Finding | None:
        """One finding where no parameter reaches the loss."""
        flow, paths = flow_of(setup.train), setup.objective.paths
        if len(flow.unused) < len(paths):
            return None
        copies = [path for leaf, path in enumerate(paths) if captured(setup, leaf)]
        cause = (
            f"It contains a copy of {copies[0]}, taken from outside the function when it was traced."
            if copies
            else "Perhaps it compares the targets with themselves, or takes the parameters from outside the function."
        )
        return told(
            self,
            f"None of the {len(paths)} parameters is used by the loss. {cause}",
            "Compute the outputs from the params that the loss function is given, and compare those with the targets.",
            line=setup.train.line(setup.train.maker(setup.train.program.outputs[0])),
            parameters=len(paths),
        )
