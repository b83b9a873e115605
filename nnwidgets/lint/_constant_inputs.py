"""Inputs that are the same for every example."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from nnwidgets.records import Finding

from ._entries import entered
from ._setup import Array, Setup
from ._told import told


@dataclass(frozen=True)
class ConstantInputs:
    """Everything that reaches the first layers is the same for all examples: the network cannot tell them apart.

    Judged by the first layers' operands, after all that the program does to the batch. Usual causes: real numbers in
    [0, 1] turned into whole numbers, a wrong column, a file that was read as zeros.
    """

    def check(self, setup: Setup) -> Finding | None:
        """Speaks where not one of the network's entries varies over the first batches."""
        seen = entered(setup)
        if not seen or any(len(each.train) < 4 or _varies(each.train) for each in seen):
            return None
        first = seen[0]
        varying = [field for field in setup.fields if field.is_input and _varies(field.values)]
        lost = f" although {varying[0].name} varies" if varying else ""
        return told(
            self,
            f"All {len(first.train)} examples of the first batches look the same to the first layer{lost}.",
            "Look at what is done to the inputs before the first layer: a cast to whole numbers loses what is between."
            if varying
            else "Look at how the inputs are read.",
            where=first.entry.layer,
            line=setup.train.line(first.entry.op),
            examples=len(first.train),
            value=float(np.ravel(first.train)[0]),
        )


def _varies(values: Array) -> bool:
    return bool((values != values[:1]).any())
