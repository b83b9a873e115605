"""A ReLU on what a softmax takes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from nnwidgets.records import Finding

from ._head import LOG_SOFTMAX
from ._setup import Setup
from ._told import told

_POOLS = frozenset(
    {
        "reduce_sum",
        "reduce_max",
        "div",
        "mul",
        "max",
        "min",
        "clamp",
        "gather",
        "select_n",
        "dot_general",
        "reduce_window_sum",
    }
)


@dataclass(frozen=True)
class ReluOnLogits:
    """The last layer's outputs pass through a ReLU before the softmax: whatever is negative becomes 0, and its gradient too.

    A class whose output is negative for an example is not taught by it, and some classes are never predicted. Seen
    from the program; the share of outputs that the ReLU cuts off is measured on the first batch. Source: Stack
    Overflow 47735201, 47352366.

    Attributes:
        share: of the outputs that are cut off, from which on it speaks.
    """

    share: float = 0.2

    def check(self, setup: Setup) -> Finding | None:
        """The ReLU, if its output goes into the cross-entropy without a further layer."""
        traced, head = setup.train, setup.train.head
        for relu in head.kinds("relu"):
            uses = head.kinds("softmax", "normalize", *LOG_SOFTMAX)
            direct = any(head.path(relu.output, each.input, scaled=True) for each in uses)
            pooled = any(head.path(relu.output, each.input, _POOLS, scaled=True) for each in uses)
            if not (direct or pooled) or not head.is_logits(relu.input, scaled=True):
                continue
            (given,) = traced.values([relu.input])
            cut = float((np.asarray(given, np.float64) <= 0).mean())
            if cut < self.share:
                continue
            return told(
                self,
                "The last layer's outputs pass through a ReLU before the "
                f"softmax{'' if direct else ', with pooling in between'}: "
                f"{100 * cut:.0f} % of them are cut off to 0 on the first batch, and learn nothing there.",
                "Drop the ReLU after the last layer: the softmax takes any real number.",
                where=head.layers[-1],
                line=traced.line(relu.op),
                share_cut_off=cut,
            )
        return None
