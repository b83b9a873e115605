"""A loss that does not belong to such targets."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from nnwidgets.records import Finding

from ._setup import Field, Setup
from ._silent_broadcast import pairs
from ._told import told


@dataclass(frozen=True)
class LossForTargets:
    """The loss does not belong to targets of this kind: a percentage of targets that are zero, a cross-entropy of real numbers.

    Measured on the targets of the first batches: what the loss divides by, and what it takes for probabilities.

    Attributes:
        smallest: a divisor under this share of the median divisor counts as zero.
    """

    smallest: float = 1e-4

    def check(self, setup: Setup) -> Finding | None:
        """The first that holds."""
        return self._division(setup) or self._real_numbers(setup)

    def _division(self, setup: Setup) -> Finding | None:
        traced, head = setup.train, setup.train.head
        for op in head.tail:
            if op.primitive != "div" or not head.trained(op.inputs[0]):
                continue
            below = op.inputs[1]
            fields = traced.fields_of(below) & head.targets
            if not fields or head.trained(below) or not below.aval.shape or below.aval.size < 2:
                continue
            values = np.concatenate([np.ravel(traced.values([below], batch)[0]) for batch in setup.batches]).astype(
                np.float64
            )
            sizes = np.abs(values)
            typical = float(np.quantile(sizes, 0.95))
            zeros = float((sizes <= self.smallest * max(typical, 1e-3)).mean())
            if zeros > 0:
                return told(
                    self,
                    f"The loss divides by the targets, and {100 * zeros:.3g} % of them are (almost) zero: the loss "
                    "and its gradients are "
                    "then of any size, and the other examples do not count.",
                    "For labels of 0 and 1 take a cross-entropy; for real numbers the squared or absolute error, "
                    "or divide by a "
                    "scale of your own.",
                    where=head.layers[-1] if head.layers else "",
                    line=traced.line(op),
                    smallest_divisor=float(sizes.min()),
                    typical_divisor=typical,
                    share_of_zeros=zeros,
                )
        return None

    def _real_numbers(self, setup: Setup) -> Finding | None:
        traced, head = setup.train, setup.train.head
        if head.loss != "softmax cross-entropy":
            return None
        for op, ours, theirs in pairs(traced):
            field = _plain_field(setup, theirs)
            if field is None or op.primitive != "mul" or ours.aval.shape != theirs.aval.shape or field.is_input:
                continue
            values = np.asarray(field.values, np.float64)
            outside = float(((values < -1e-6) | (values > 1 + 1e-6)).mean())
            if field.dtype.kind == "f" and outside > 0.05:
                return told(
                    self,
                    f"The loss is a cross-entropy, and {100 * outside:.0f} % of the targets are no probabilities: "
                    "they reach from "
                    f"{values.min():.4g} to {values.max():.4g}.",
                    "For real numbers take the squared or absolute error; for classes give their numbers or one-hot rows.",
                    where=head.layers[-1] if head.layers else "",
                    line=traced.line(op),
                    smallest_target=float(values.min()),
                    largest_target=float(values.max()),
                )
        return None


def _plain_field(setup: Setup, value: object) -> Field | None:
    """The batch's array that a value is, as it is."""
    from ._functions import plain

    source = plain(setup.train.program, value)  # pyright: ignore[reportArgumentType]
    return next((field for field in setup.fields if field.value is source), None)


@dataclass(frozen=True)
class LabelCoding:
    """The labels are not coded as the loss takes them: real numbers stand where class numbers are wanted.

    A label that was scaled like an image, say divided by 255, becomes class 0 for all examples once it is rounded
    down. Measured on the first batches.

    Attributes:
        lost: share of labels that rounding changes, from which on it speaks.
    """

    lost: float = 0.05

    def check(self, setup: Setup) -> Finding | None:
        """The first place where class numbers are taken from numbers that are none."""
        traced = setup.train
        for label in traced.head.labels():
            if label.value.aval.dtype.kind != "f" and setup.fields[label.field].dtype.kind != "f":
                continue
            given = label.value if label.value.aval.dtype.kind == "f" else setup.fields[label.field].value
            values = np.concatenate([np.ravel(traced.values([given], batch)[0]) for batch in setup.batches])
            values = values.astype(np.float64)
            broken = float((values != np.floor(values)).mean())
            if broken >= self.lost:
                used = np.unique(np.floor(values))
                return told(
                    self,
                    f"The loss takes class numbers, and {100 * broken:.0f} % of the labels are no whole numbers "
                    f"(from {values.min():.4g} to "
                    f"{values.max():.4g}): rounded down, only {len(used)} of {label.classes} classes are left.",
                    "Give class numbers 0 to K - 1 as integers; scale the inputs, never the labels.",
                    where=traced.head.layers[-1] if traced.head.layers else "",
                    line=traced.line(label.op),
                    share_not_whole=broken,
                    classes_left=len(used),
                )
        return None
