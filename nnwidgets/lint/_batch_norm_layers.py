"""Batch norms in training: a bias that they take away again, and a batch that is too small for any statistics."""

from __future__ import annotations

from dataclasses import dataclass

from nnwidgets.records import Finding

from ._batch_norms import BatchNorm, batch_norms_of
from ._functions import plain
from ._setup import Setup
from ._told import told


@dataclass(frozen=True)
class BiasBeforeBatchNorm:
    """A bias is added right before a batch norm, which takes it away again with the mean: it does nothing.

    Harmless; its gradient is zero but for rounding, which may look like a fault.
    """

    def check(self, setup: Setup) -> Finding | None:
        """A note that names these biases."""
        found = [leaf for norm in batch_norms_of(setup.train).found if (leaf := bias_before(setup, norm)) is not None]
        if not found:
            return None
        names = [setup.objective.paths[leaf] for leaf in dict.fromkeys(found)]
        return told(
            self,
            f"{', '.join(names[:4])}{' and others' if len(names) > 4 else ''}: a bias right before a batch norm does "
            "nothing, since the norm "
            "takes away the mean. A gradient of almost zero is no fault there.",
            "Leave it out (use_bias=False).",
            severity="note",
            where=names[0].rpartition("/")[0],
            biases=len(names),
        )


@dataclass(frozen=True)
class BatchNormOneRow:
    """A batch norm takes its mean and variance over a single value in training: the difference from the mean is 0.

    What comes out is the norm's own bias, whatever goes in. It happens with a batch of one example without positions to
    average over.
    """

    def check(self, setup: Setup) -> Finding | None:
        """One finding at the first such norm."""
        for norm in batch_norms_of(setup.train).found:
            if norm.count == 1:
                return told(
                    self,
                    "A batch norm takes its statistics over one single value (input of shape "
                    f"{list(norm.input.aval.shape)}): what comes out "
                    "is its bias, whatever goes in.",
                    "Use more examples a batch, or a layer norm.",
                    line=setup.train.line(norm.op),
                    values_in_each_mean=1,
                )
        return None


def bias_before(setup: Setup, norm: BatchNorm) -> int | None:
    """Index of the parameter that is added right before a batch norm, one number for each mean; None if there is none."""
    program = setup.train.program
    op = setup.train.maker(plain(program, norm.input))
    if op is None or op.primitive != "add":
        return None
    for value in op.inputs:
        leaves = value.origins if not value.data else frozenset[int]()
        # one number for each mean that is taken away
        if len(leaves) == 1 and program.parameters[leaf := next(iter(leaves))].size == norm.root.inputs[0].aval.size:
            return leaf
    return None
