"""Inputs that are far too large, too small, or of very unequal features."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from nnwidgets.records import Finding

from ._entries import Entered, entered
from ._first_step import first_step
from ._setup import Array, Setup
from ._told import told
from ._weights import find_weights


@dataclass(frozen=True)
class InputScale:
    """What reaches the first layer is far from the size that initialisers and learning rates are made for: about 1.

    Large inputs make large outputs and steep, narrow valleys: the first loss is far above chance and the first steps
    overshoot. A feature that is a thousand times larger than the others drowns them. Tiny inputs make a network that
    gives nearly the same output for every example. Judged by the first layer's operand, after all that the program
    itself does to the batch; red only where the first loss, the first step or the first layer's output shows the harm.
    Usual causes: pixels of 0 to 255, columns in units of their own, a division by 255 made twice. LeCun et al.,
    Efficient BackProp (1998), section 4.3.
    """

    largest: float = 10.0
    largest_ratio: float = 100.0
    smallest: float = 0.1
    above_chance: float = 4.0

    def check(self, setup: Setup) -> Finding | None:
        """The first entry whose scale is off."""
        for each in entered(setup):
            if not each.entry.is_index and each.train.dtype.kind in "fViu" and each.train.shape[0] > 1:
                found = self._large(setup, each) or self._small(setup, each)
                if found is not None:
                    return found
        return None

    def _large(self, setup: Setup, each: Entered) -> Finding | None:
        values = _rows(each.train)
        spread = _spreads(values)
        size = float(np.sqrt(np.mean(values**2)))
        moving = spread[spread > 0]
        ratio = float(moving.max() / np.median(moving)) if len(moving) > 1 else 1.0
        unequal = ratio > self.largest_ratio and moving.max() > 1
        if size <= self.largest and not unequal:
            return None
        start = first_step(setup)
        excess = start.excess
        overshoots = start.after > 1.5 * start.loss
        harmful = excess > self.above_chance or overshoots
        evidence = {"root mean square": size, "largest number": float(np.abs(values).max())}
        evidence |= {"largest spread over the median one": ratio} if unequal else {}
        evidence |= {"first loss": start.loss, "loss of a constant output": start.chance, "after one step": start.after}
        sign = "the first loss is far above that of a constant output" if excess > self.above_chance else ""
        sign = sign or ("the first step makes the loss of its own batch worse" if overshoots else "no harm seen yet")
        uneven = f"; one feature varies {ratio:.3g} times as much as the median one" if unequal else ""
        return told(
            self,
            f"The numbers that reach the first layer are large: {size:.3g} (root mean square){uneven}. {sign.capitalize()}.",
            "Standardise the inputs with the training data's mean and standard deviation, per feature (images: divide by 255).",
            severity="problem" if harmful else "warning",
            where=each.entry.layer,
            line=setup.train.line(each.entry.op),
            change=("standardize", "inputs"),
            **{name.replace(" ", "_"): value for name, value in evidence.items()},
        )

    def _small(self, setup: Setup, each: Entered) -> Finding | None:
        values = _rows(each.train)
        norm = float(np.sqrt(np.mean((values**2).sum(1))))
        if norm >= self.smallest or norm == 0:
            return None
        taken = next((w for w in find_weights(setup) if w.op is each.entry.op), None)
        # what the examples do to the first layer's output, where a unit of a common initialiser would give about 1
        faint = taken is not None and taken.after < self.smallest
        followed = any(w.before > 0.3 for w in find_weights(setup) if w.op is not each.entry.op)
        return told(
            self,
            f"What reaches the first layer is tiny: a whole example has length {norm:.3g}, so that all examples look "
            "alike to it.",
            "Standardise the inputs with the training data's mean and standard deviation, once.",
            severity="problem" if faint and not followed and values.shape[1] > 1 else "warning",
            where=each.entry.layer,
            line=setup.train.line(each.entry.op),
            change=("standardize", "inputs"),
            length_of_an_example=norm,
            largest_number=float(np.abs(values).max()),
            spread_of_the_first_output=float("nan") if taken is None else taken.after,
        )


def _rows(values: Array) -> Array:
    flat = values.reshape(len(values), -1).astype(np.float64)
    return np.where(np.isfinite(flat), flat, 0)


def _spreads(values: Array) -> Array:
    return values.std(0)
