"""Gradients of several batches that are summed instead of averaged, or never forgotten."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from nnwidgets.records import Finding

from ._setup import Setup
from ._told import told
from ._trials import Trials, norm, trials


@dataclass(frozen=True)
class AccumulationScale:
    """Accumulated gradients are summed instead of averaged, so that a step is k times too large; or old ones are kept for ever.

    A sum shows in the optimizer's state between two updates: after j equal gradients it holds j times the gradient.
    Gradients that are never forgotten show when zero gradients follow: the update grows with every step and then stays
    exactly as large. Adam's division takes a constant factor out again; then a sum is only a note.
    """

    def check(self, setup: Setup) -> Finding | None:
        """What becomes of equal gradients, and of zero gradients after them."""
        tried = trials(setup)
        if tried is None or not tried.period:
            return None
        return self._stale(tried) or (self._summed(tried) if tried.period > 1 else None)

    def _stale(self, tried: Trials) -> Finding | None:
        sizes = [norm(step) for step in tried.course]
        if not (sizes[0] > 0 and np.isfinite(sizes).all()):
            return None
        if tried.is_normalised:
            # the moments of a fresh gradient fade when zeros follow; those of a sum that stays go on growing
            kept = sizes[19] > 0.9 * sizes[9] and tried.moments[19] > tried.moments[9] > 0
        else:
            # a momentum of 0.999 would have lost 1 %
            grows = sizes[9] > 9.5 * sizes[0] and sizes[5] > 5.5 * sizes[0]
            kept = grows and max(abs(sizes[k] / sizes[9] - 1) for k in (12, 19)) < 1e-3
        if not kept:
            return None
        return told(
            self,
            "The optimizer never forgets a gradient: when zero gradients follow ten equal ones, its updates stay as large.",
            "Start each step from the new gradient; for momentum, let the old ones fade: optax.trace(decay=0.9).",
            tenth_update_over_first=sizes[9] / sizes[0],
            after_ten_zero_gradients_over_first=sizes[19] / sizes[0],
        )

    def _summed(self, tried: Trials) -> Finding | None:
        return self._told(tried) if tried.adds_up else None

    def _told(self, tried: Trials) -> Finding:
        small, large = norm(tried.responses[0.1]), norm(tried.responses[1.0])
        matters = large > 3 * small
        return told(
            self,
            f"The gradients of {tried.period} batches are summed, not averaged: a step is {tried.period} times as large."
            + ("" if matters else " This optimizer divides by the gradients' size, so that it hardly matters."),
            "Average them (optax.MultiSteps(..., use_grad_mean=True)), or divide the learning rate.",
            severity="warning" if matters else "note",
            confirm="lower learning rate" if matters else "",
            change=("multiplier", 1 / tried.period) if matters else None,
            batches_per_update=tried.period,
        )
