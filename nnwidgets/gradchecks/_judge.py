"""From numbers to a verdict on one derivative. NumPy only."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

import numpy as np

Judgement = Literal["ok", "wrong", "unsure"]


@dataclass(frozen=True)
class Tolerance:
    """How far analytic and numeric derivative may be apart.

    Attributes:
        relative: of the larger of the two.
        rounding: error of one evaluation of the loss, over the loss.
        first: the step that is tried first where rounding permits no smaller one.
        least: the smallest that is tried first.
        ladder: the steps tried when that fails.
        forward: how far the exact gradient may be from the analytic one, over its largest entry.
    """

    relative: float
    rounding: float
    first: float
    least: float
    ladder: tuple[float, ...]
    forward: float

    def noise(self, loss: np.ndarray, step: np.ndarray) -> np.ndarray:
        """What rounding alone may make of a central difference."""
        return self.rounding * np.maximum(np.abs(loss), 1e-3) / step

    def step(self, loss: float, slope: np.ndarray) -> np.ndarray:
        """The smallest step at which rounding stays a hundredth of what is tolerated: fewer corners are within its reach."""
        tolerated = 1e-2 * self.relative * np.maximum(np.abs(slope), 1e-300)
        return np.clip(self.noise(np.array(loss), tolerated), self.least, self.first)

    def agree(self, one: np.ndarray, other: np.ndarray, noise: np.ndarray) -> np.ndarray:
        """Whether two derivatives are the same; what is not finite is the same as nothing."""
        finite = np.isfinite(one) & np.isfinite(other)
        gap = np.abs(np.where(finite, one, 0.0) - np.where(finite, other, 0.0))
        return finite & (gap <= self.relative * np.maximum(np.abs(one), np.abs(other)) + noise)


FLOAT64 = Tolerance(1e-5, 40 * 2.0**-52, 1e-5, 1e-7, (1e-3, 1e-4, 1e-5, 1e-6), 1e-6)
FLOAT32 = Tolerance(3e-2, 40 * 2.0**-23, 1e-2, 1e-2, (3e-2, 1e-3), 1e-3)
"""For programs that hold operations in single precision; a step as large as that sees curvature, too."""


def relative_error(analytic: np.ndarray, numeric: np.ndarray, noise: np.ndarray) -> np.ndarray:
    """|a - n| / max(|a|, |n|); NaN where rounding hides more than a thousandth of the derivative.

    Example:
        >>> relative_error(np.array([1.0, 0.0]), np.array([1.1, 1e-12]), np.array([1e-9, 1e-9])).round(3).tolist()
        [0.091, nan]
    """
    size = np.maximum(np.abs(analytic), np.abs(numeric))
    resolved = size > 1e3 * noise
    return np.where(resolved, np.abs(analytic - numeric) / np.where(resolved, size, 1.0), np.nan)


@dataclass(frozen=True)
class Differences:
    """One derivative at one point, several ways; arrays over the steps.

    Attributes:
        analytic: the derivative in question.
        steps: (steps,), the first one is the one that was tried first.
        numeric: central differences (steps,).
        noise: what rounding may make of each (steps,).
        smooth: whether the loss took the same branches at both ends as in the middle (steps,).
        forward: the slope of the loss as it is written, in forward mode; None where there is none.
    """

    analytic: float
    steps: np.ndarray
    numeric: np.ndarray
    noise: np.ndarray
    smooth: np.ndarray
    forward: float | None

    @property
    def error(self) -> float:
        """The smallest relative error among the steps that resolve it, the smooth ones if there are any; else NaN."""
        errors = relative_error(np.full_like(self.numeric, self.analytic), self.numeric, self.noise)
        chosen = errors[self.smooth] if np.isfinite(errors[self.smooth]).any() else errors
        return float(np.nanmin(chosen)) if np.isfinite(chosen).any() else float("nan")

    @property
    def best(self) -> float:
        """The numeric derivative to show: at the step tried first, or at the widest smooth one below it."""
        usable = self.smooth & np.isfinite(self.numeric) & (self.steps <= self.steps[0])
        return float(self.numeric[usable][np.argmax(self.steps[usable])]) if usable.any() else float(self.numeric[0])


def judge(at: Differences, tolerance: Tolerance) -> Judgement:
    """Whether a derivative is right, at a point in general position.

    Returns:
        "ok": analytic and numeric derivative agree at some step that resolves them, or by Richardson's extrapolation from
            two; or no step avoids a change of branches, and the exact slope sides with the analytic one.
        "wrong": they differ on one smooth piece, and the exact slope, where there is one, differs too.
        "unsure": the evidence contradicts itself.

    Example:
        >>> found = dict(steps=np.array([1e-5, 1e-6]), numeric=np.array([2.0, 2.0]), noise=np.full(2, 1e-9))
        >>> judge(Differences(1.0, smooth=np.array([True, True]), forward=None, **found), FLOAT64)
        'wrong'
        >>> judge(Differences(1.0, smooth=np.array([False, False]), forward=1.0, **found), FLOAT64)
        'ok'
    """
    here = np.full_like(at.numeric, at.analytic)
    size = np.maximum(np.abs(here), np.abs(at.numeric))
    # where rounding alone would make them agree, agreement is no evidence
    resolved = (at.noise <= 1e-3 * size) | (at.noise <= 1.01 * at.noise[0])
    if (tolerance.agree(here, at.numeric, at.noise) & resolved).any() or _extrapolated(at, tolerance):
        return "ok"
    usable = at.smooth & np.isfinite(at.numeric)
    gap = abs(at.analytic - at.best)
    if at.forward is None:
        # without a third opinion the differences must at least agree with each other
        return "wrong" if usable.any() and np.ptp(at.numeric[usable]) < 0.5 * gap else "unsure"
    agrees = bool(tolerance.agree(np.array(at.analytic), np.array(at.forward), np.array(1e-12)))
    if agrees:
        return "unsure" if usable.any() else "ok"
    return "wrong" if abs(at.forward - at.best) < 0.5 * gap else "unsure"


def _extrapolated(at: Differences, tolerance: Tolerance) -> bool:
    """Whether Richardson's extrapolation from two neighbouring steps, both smooth and well apart, agrees."""
    order, usable = np.argsort(-at.steps), at.smooth & np.isfinite(at.numeric)
    for wide, narrow in pairwise(order):
        ratio = (at.steps[wide] / at.steps[narrow]) ** 2
        if ratio > 4 and usable[wide] and usable[narrow]:
            better = (ratio * at.numeric[narrow] - at.numeric[wide]) / (ratio - 1)
            noise = np.minimum(2 * at.noise[narrow], 1e-3 * np.abs(better))
            if tolerance.agree(np.array(at.analytic), np.array(better), noise):
                return True
    return False
