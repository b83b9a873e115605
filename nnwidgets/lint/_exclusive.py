"""Sigmoids for classes that exclude one another, and a softmax for labels that do not."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from nnwidgets.records import Finding

from ._head import LOG_SOFTMAX
from ._setup import Array, Setup
from ._silent_broadcast import pairs
from ._told import told


@dataclass(frozen=True)
class SigmoidForExclusiveClasses:
    """Each class has a sigmoid of its own, but the loss is the cross-entropy of classes that exclude one another.

    Where the loss takes only the logarithm of the right class's sigmoid, nothing pushes the other classes down: all
    outputs rise to 1. Where a softmax follows the sigmoids, it acts on numbers between 0 and 1. Seen from the program
    and from the labels: each has exactly one class. Source: Stack Overflow 41823068, 58333926.
    """

    def check(self, setup: Setup) -> Finding | None:
        """The sigmoid, if a categorical cross-entropy follows it, or the labels have exactly one class each."""
        traced, head = setup.train, setup.train.head
        if (binary := self._binary(setup)) is not None:
            return binary
        for sigmoid in head.kinds("sigmoid"):
            if (
                not sigmoid.output.aval.shape
                or sigmoid.output.aval.shape[-1] < 2
                or not head.is_logits(sigmoid.input, scaled=True)
            ):
                continue
            onward = [
                f
                for f in head.kinds("softmax", "normalize", *LOG_SOFTMAX)
                if head.path(sigmoid.output, f.input, scaled=True)
            ]
            logs = [f for f in head.kinds("log") if head.path(sigmoid.output, f.input)]
            lonely = bool(logs) and not any(self._opposite(setup, f.input) for f in logs) and _exclusive(setup)
            if not onward and not lonely:
                continue
            return told(
                self,
                "The outputs pass through a sigmoid each, and the loss is a categorical cross-entropy: "
                + (
                    "a softmax over numbers between 0 and 1 can never be sure."
                    if onward
                    else "it only raises the right class's sigmoid, and nothing lowers the others."
                ),
                "For classes that exclude one another take the logits with a softmax cross-entropy; for several labels at once "
                "optax.sigmoid_binary_cross_entropy.",
                where=head.layers[-1],
                line=traced.line(sigmoid.op),
                classes=sigmoid.output.aval.shape[-1],
            )
        return None

    def _binary(self, setup: Setup) -> Finding | None:
        """A binary cross-entropy for each of three or more classes, where each label has exactly one."""
        traced, head = setup.train, setup.train.head
        classes = head.logits.aval.shape[-1] if head.logits is not None and head.logits.aval.shape else 0
        # a focal loss weighs its terms: then it is meant
        if (
            head.loss != "sigmoid cross-entropy"
            or classes < 3
            or (head.kinds("softplus") and head.kinds("sigmoid", "exp"))
        ):
            return None
        labels = _rows_of_labels(setup, classes)
        if labels is None or not set(np.unique(labels)) <= {0, 1} or not (labels.sum(-1) == 1).all() or len(labels) < 8:
            return None
        return told(
            self,
            f"Each label has exactly one of {classes} classes, but the loss is a binary cross-entropy for each "
            "class by itself: "
            f"{classes - 1} of {classes} terms only push outputs down, and an accuracy per element is high for a network that "
            "says no to everything.",
            "For classes that exclude one another take the logits with a softmax cross-entropy (optax.softmax_cross_entropy).",
            where=head.layers[-1],
            line=next((traced.line(f.op) for f in head.kinds("softplus", "log")), None),
            classes=classes,
            classes_of_each_label=1,
        )

    def _opposite(self, setup: Setup, value: object) -> bool:
        """Whether it is the logarithm of 1 - p."""
        traced = setup.train
        for _ in range(8):
            op = traced.maker(value)  # pyright: ignore[reportArgumentType]
            if op is None:
                return False
            if (op.primitive == "sub" and op.inputs[0].const == 1.0) or op.primitive == "log1p":
                return True
            value = next((v for v in op.inputs if v.data and v.trained), op.inputs[0])
            if op.primitive in ("logistic", "div"):
                return False
        return False


@dataclass(frozen=True)
class SoftmaxForMultiLabel:
    """A softmax shares out one unit of probability, but examples have several labels at once: they cannot all become 1.

    Seen from the program and from the labels of the first batches. Source: Stack Overflow 38648195.

    Attributes:
        share: of the examples with more or fewer than one label, from which on it speaks.
    """

    share: float = 0.1

    def check(self, setup: Setup) -> Finding | None:
        """The softmax, if targets of zeros and ones meet it whose rows do not sum to 1."""
        traced, head = setup.train, setup.train.head
        functions = [f for f in head.kinds("softmax", *LOG_SOFTMAX) if f.size > 1]
        if not functions or (labels := _rows_of_labels(setup, functions[-1].size)) is None:
            return None
        if not (set(np.unique(labels)) <= {0, 1}):
            return None
        odd = float((labels.sum(-1) != 1).mean())
        # a row of zeros is padding, where the others have one label
        several = float((labels.sum(-1) > 1).mean())
        if odd < self.share or several < self.share:
            return None
        return told(
            self,
            f"{100 * several:.0f} % of the examples have several labels at once, but the outputs pass through a softmax, whose "
            "probabilities sum to 1: they can never all be right.",
            "Give each label a sigmoid of its own: optax.sigmoid_binary_cross_entropy of the logits.",
            where=head.layers[-1] if head.layers else "",
            line=traced.line(functions[0].op),
            share_with_several=several,
            labels=labels.shape[-1],
        )


def _rows_of_labels(setup: Setup, classes: int) -> Array | None:
    """The targets of all first batches as rows of `classes` columns, where such are factors of the outputs or subtracted."""
    traced = setup.train
    for op, _, theirs in pairs(traced):
        fields = traced.fields_of(theirs)
        if op.primitive not in ("mul", "sub", "squared_difference") or len(fields) != 1:
            continue
        field = setup.fields[next(iter(fields))]
        if not field.is_input and len(field.shape) >= 2 and field.shape[-1] == classes and field.dtype.kind != "b":
            return np.asarray(field.values).reshape(-1, classes)
    return None


def _exclusive(setup: Setup) -> bool:
    """Whether each label has exactly one class: numbers that choose, or rows with a single one."""
    head = setup.train.head
    if any(True for _ in head.labels()):
        return True
    for _, ours, theirs in pairs(setup.train):
        fields = setup.train.fields_of(theirs)
        if len(fields) == 1 and ours.aval.shape == theirs.aval.shape and len(theirs.aval.shape) >= 2:
            (values,) = setup.train.values([theirs])
            return bool(set(np.unique(values)) <= {0, 1} and (values.sum(-1) == 1).all())
    return False
