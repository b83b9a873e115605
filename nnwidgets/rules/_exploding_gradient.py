"""Gradients that grow out of proportion."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from nnwidgets.records import Finding, History

from ._course import CERTAIN, course_of, medians, tensors_of, trend


@dataclass(frozen=True)
class ExplodingGradient:
    """The gradient grew a hundredfold over the run without the loss falling, or leaps to a thousand times its usual size.

    It is compared with the run's own gradients only: a leap with those just before it, and only if it is as large as in
    the beginning, for where a run has converged a single example may leap without harm. A gradient that grows while the
    loss falls is as it should be: the network leaves a flat place. Red where the loss rose as well. Usual causes: a
    recurrence or many layers whose weights are too large, a learning rate that is too high. A fork with clipping confirms
    it. See Pascanu et al. 2013.
    """

    growth: float = 100.0
    leap: float = 1000.0
    rows: int = 12

    def check(self, history: History) -> Finding | None:
        """The norm over all tensors, by quarters of the readings."""
        read = tensors_of(history, "gradient/norm", self.rows)
        whole = np.sqrt(np.nansum(np.square(read.values), axis=1))
        whole = whole[np.isfinite(read.values).all(axis=1)]
        if len(whole) < self.rows:
            return None
        quarter = len(whole) // 4
        early, usual, late = (float(np.median(part)) for part in (whole[:quarter], whole, whole[-quarter:]))
        loss = course_of(history, steps=20)
        grown = early > 0 and late > self.growth * early and trend(whole) > CERTAIN and not loss.fell
        window = min(quarter, self.rows)
        before = np.median(np.lib.stride_tricks.sliding_window_view(whole[quarter - window : -1], window), axis=1)
        leaps = int(((whole[quarter:] > self.leap * before) & (whole[quarter:] >= early) & (before > 0)).sum())
        if not grown and not leaps:
            return None
        worst = _worst(read.values, quarter)
        return Finding(
            rule="ExplodingGradient",
            severity="problem" if grown and loss.rose else "warning",
            where=read.layers[worst],
            step=int(read.steps[-1]),
            evidence={"gradient norm at first": early, "in the middle": usual, "now": late}
            | {"largest": float(whole.max()), "leaps": leaps},
            explanation=(f"The gradient grew {late / early:.3g} times." if grown else "")
            + (f"The gradient leapt {leaps} times to over {self.leap:g} times its usual size." if not grown else ""),
            remedy="Clip it by its global norm before the optimizer (optax.clip_by_global_norm(1.0)), or lower the rate.",
            confirm="clip",
            change=("clip", 1.0),
        )


def _worst(values: np.ndarray[tuple[int, int], np.dtype[np.float64]], quarter: int) -> int:
    """The tensor that grew most."""
    first, last = medians(values[:quarter]), values[quarter:].max(axis=0)
    return int(np.nanargmax(np.where(first > 0, last / np.where(first > 0, first, 1.0), 0.0)))
