"""An output activation that is applied a second time inside the loss."""

from __future__ import annotations

from dataclasses import dataclass
from math import e, log

import numpy as np

from nnwidgets.records import Finding

from ._functions import Function
from ._setup import Setup
from ._told import told


@dataclass(frozen=True)
class SoftmaxTwice:
    """The loss wants logits and applies softmax itself, but gets probabilities: softmax acts twice.

    The probabilities that the loss sees lie close together, so it cannot fall below ln(e + C - 1) - 1 for C classes
    (1.461 for 10), and gradients are small. Seen from the program, and confirmed by the numbers that go into the
    second softmax: they are probabilities. A softmax after a log-softmax is harmless and not meant.
    """

    def check(self, setup: Setup) -> Finding | None:
        """The second softmax, if it is there."""
        return _twice(self, setup, ("softmax",), ("softmax", "log_softmax", "logsumexp"), "softmax")


@dataclass(frozen=True)
class SigmoidTwice:
    """The loss wants logits and applies the sigmoid itself, but gets probabilities: the sigmoid acts twice.

    What the loss sees lies between 0.5 and 0.73, so it cannot fall below ln(1 + 1/e) = 0.313 for ones and ln 2 = 0.693
    for zeros. Seen from the program, and confirmed by the numbers that go into the second sigmoid.
    """

    def check(self, setup: Setup) -> Finding | None:
        """The second sigmoid, if it is there."""
        return _twice(self, setup, ("sigmoid", "softmax"), ("sigmoid", "softplus"), "sigmoid")


def _twice(rule: object, setup: Setup, first: tuple[str, ...], second: tuple[str, ...], word: str) -> Finding | None:
    head = setup.train.head
    for each in head.kinds(*second):
        before = head.feeding(each.input, first, scaled=True)
        if before is None or before is each or (before.axes and before.size == 1):
            continue
        (given,) = setup.train.values([each.input])
        if not (
            np.isfinite(given).all() and given.max() - given.min() <= 1.0 + 1e-6 and np.abs(given).max() <= 1.0 + 1e-6
        ):
            # scaled by a temperature: another thing
            continue
        return _finding(rule, setup, before, each, given, word)
    return None


def _finding(rule: object, setup: Setup, before: Function, each: Function, given: np.ndarray, word: str) -> Finding:
    traced, classes = setup.train, each.size
    floor = {"floor of the loss": round(log(e + classes - 1) - 1, 4)} if word == "softmax" and classes > 1 else {}
    found = told(
        rule,
        f"The outputs are probabilities already ({before.name} at {traced.line(before.op) or 'the output'}), and "
        "the loss applies a "
        f"{word} to them once more.",
        f"Return the logits: drop the {before.name} before the loss, or take a loss of probabilities.",
        where=traced.head.layers[-1] if traced.head.layers else "",
        # a layer of a library has no line of the user's; the loss has
        line=traced.line(before.op) or traced.line(each.op),
        confirmed=f"what goes into the second {word} lies between {given.min():.3g} and {given.max():.3g}",
        second=traced.line(each.op) or "",
        smallest=float(given.min()),
        largest=float(given.max()),
    )
    found.evidence.update(floor)
    return found
