"""A softmax over the examples instead of the classes."""

from __future__ import annotations

from dataclasses import dataclass

from nnwidgets.records import Finding
from nnwidgets.trace import Value

from ._head import LOG_SOFTMAX
from ._setup import Setup, Traced
from ._told import told


@dataclass(frozen=True)
class SoftmaxAxis:
    """The softmax of the outputs sums over the batch instead of over the classes.

    An example's probabilities depend on the others then. Seen from the program: the axis summed over is the one along which
    the examples lie.
    Similarities of each example with each other, as in contrastive losses, are not meant.
    """

    def check(self, setup: Setup) -> Finding | None:
        """The first softmax of the loss or the outputs over the first axis, where that is the batch."""
        traced, rows = setup.train, setup.rows
        for each in traced.head.kinds("softmax", *LOG_SOFTMAX):
            shape = each.input.aval.shape
            if (
                rows is None
                or len(shape) < 2
                or each.axes != (0,)
                or shape[0] != rows
                or _similarities(traced, each.input)
            ):
                continue
            return told(
                self,
                f"A softmax sums over axis 0 of shape {list(shape)}: over the {rows} examples of the batch instead of the "
                f"{shape[-1]} classes. What the network says of one example depends on the others.",
                "Sum over the classes: axis=-1.",
                where=traced.head.layers[-1] if traced.head.layers else "",
                line=traced.line(each.op),
                shape=str(list(shape)),
                axes=list(each.axes),
            )
        return None


def _similarities(traced: Traced, value: Value) -> bool:
    """Whether it comes from a product of two things that are both made of the batch."""
    for _ in range(10):
        op = traced.maker(value)
        if op is None:
            return False
        if op.primitive == "dot_general":
            return all(each.data for each in op.inputs)
        value = next((each for each in op.inputs if each.data and each.trained), op.inputs[0])
    return False
