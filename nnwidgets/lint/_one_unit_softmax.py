"""A softmax over one unit."""

from __future__ import annotations

from dataclasses import dataclass

from nnwidgets.records import Finding

from ._setup import Setup
from ._told import told


@dataclass(frozen=True)
class OneUnitSoftmax:
    """A softmax over a single output is 1 whatever goes in, so that nothing can be learned.

    The same holds for a probability that is divided by its sum over one class, as categorical cross-entropy does. Seen from the
    shapes alone. For two classes use a sigmoid with binary cross-entropy, or two outputs.
    """

    def check(self, setup: Setup) -> Finding | None:
        """The first one in the loss or at the end of the network."""
        head = setup.train.head
        for each in head.kinds("softmax", "log_softmax", "logsumexp", "normalize"):
            if each.axes and each.size == 1:
                what = "divided by its sum" if each.name == "normalize" else "put through a softmax"
                return told(
                    self,
                    f"The network has one output, and it is {what} over that one unit: the result is always 1, "
                    "whatever the input.",
                    "For two classes take a sigmoid with binary cross-entropy (optax.sigmoid_binary_cross_entropy); for K "
                    "classes give the last layer K outputs; for a real number take no activation.",
                    where=head.layers[-1] if head.layers else "",
                    line=setup.train.line(each.op),
                    shape=str(list(each.input.aval.shape)),
                    axes=list(each.axes),
                )
        return None
