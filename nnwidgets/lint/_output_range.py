"""An output activation that cannot give what the targets ask for."""

from __future__ import annotations

from dataclasses import dataclass
from math import inf

import numpy as np

from nnwidgets.records import Finding

from ._setup import Setup
from ._told import told

_RANGES = {
    "sigmoid": (0.0, 1.0),
    "tanh": (-1.0, 1.0),
    "relu": (0.0, inf),
    "softmax": (0.0, 1.0),
    "softplus": (0.0, inf),
}


@dataclass(frozen=True)
class OutputRange:
    """The last activation confines the outputs to a range, and targets lie outside it: they can never be reached.

    A sigmoid gives 0 to 1, tanh -1 to 1, ReLU and softplus nothing below 0, a clip nothing outside its bounds. Seen
    from the program, and measured on the targets of the first batches. Source: UMLAUT's check of the last activation,
    Stack Overflow 48221692.

    Attributes:
        share: of the targets, from which on it speaks.
        slack: how far outside a target must lie, as a share of the targets' own spread.
    """

    share: float = 0.01
    slack: float = 0.02

    def check(self, setup: Setup) -> Finding | None:
        """The first comparison of outputs with targets where it holds."""
        traced, head = setup.train, setup.train.head
        for op, ours, theirs in head.differences:
            last = head.feeding(ours, (*_RANGES, "clip"))
            if last is None or (last.name == "softmax" and last.size == 1):
                continue
            values = [
                np.concatenate([np.ravel(each) for each in group]) for group in self._values(setup, theirs, last.output)
            ]
            targets = values[0][np.isfinite(values[0])]
            low, high = _RANGES.get(last.name) or self._bounds(setup, last.op)
            slack = self.slack * float(targets.std()) if targets.size else 0.0
            outside = (targets < low - slack) | (targets > high + slack)
            if not targets.size or outside.mean() < self.share:
                continue
            return told(
                self,
                f"The outputs pass through {last.name}, which gives {_span(low, high)}; {100 * outside.mean():.0f} "
                "% of the targets, which "
                f"reach from {targets.min():.4g} to {targets.max():.4g}, lie outside and can never be reached.",
                f"Take no activation at the end for a real number, or scale the targets to {_span(low, high)}.",
                where=head.layers[-1] if head.layers else "",
                line=traced.line(last.op),
                activation=last.name,
                smallest_target=float(targets.min()),
                largest_target=float(targets.max()),
                share_outside=float(outside.mean()),
                compared_at=traced.line(op) or "",
            )
        return None

    def _values(self, setup: Setup, *wanted: object) -> list[list[np.ndarray]]:
        found = [setup.train.values(list(wanted), batch) for batch in setup.batches]  # pyright: ignore[reportArgumentType]
        return [list(group) for group in zip(*found, strict=True)]

    def _bounds(self, setup: Setup, op: object) -> tuple[float, float]:
        constants = [v.const for v in op.inputs if v.const is not None]  # pyright: ignore[reportAttributeAccessIssue]
        primitive = op.primitive  # pyright: ignore[reportAttributeAccessIssue]
        if primitive == "clamp" and len(constants) == 2:
            return constants[0], constants[1]
        if primitive == "min" and constants:
            return -inf, constants[0]
        return (constants[0], inf) if constants else (-inf, inf)


def _span(low: float, high: float) -> str:
    if high == inf:
        return f"nothing below {low:g}"
    return f"nothing above {high:g}" if low == -inf else f"{low:g} to {high:g}"
