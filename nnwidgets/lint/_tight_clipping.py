"""Gradients clipped so hard that little is left."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from nnwidgets.records import Finding

from ._setup import Array, Setup
from ._told import told
from ._trials import Trials, norm, trials


@dataclass(frozen=True)
class TightClipping:
    """The bound of the clipping lies so far below the gradients that little of a step is left, or less than Adam's epsilon.

    The first gradients, made a million times smaller or more, pass unclipped: what the update would be without the bound
    follows from them. Red where the step that is left is too small to change the parameters in any run. Clipping more
    than half of the steps is a sign that the learning rate should be lower instead (Tuning Playbook).
    """

    cut: float = 100.0
    nothing: float = 1e-6

    def check(self, setup: Setup) -> Finding | None:
        """How much of the first update the bound takes away."""
        tried = trials(setup)
        if tried is None or not tried.period:
            return None
        taken = clipped(tried)
        if taken is None or taken < self.cut:
            return None
        ratio = tried.update_ratio
        gone = ratio < self.nothing
        return told(
            self,
            f"The clipping cuts the first update to 1/{taken:.3g} of what it would be"
            + (f": a step changes the weights by {ratio:.1g} of themselves." if gone else "."),
            "Raise the bound to the usual size of the gradients (their 90th percentile), or leave the clipping out.",
            severity="problem" if gone else "warning",
            confirm="higher learning rate",
            cut_to_one_part_in=taken,
            update_over_weights=ratio,
        )


def clipped(tried: Trials) -> float | None:
    """How many times larger the update would be without a bound on the gradients; None where it is not proportional to them."""
    sizes = {each: norm(response) for each, response in tried.responses.items()}
    # below the bound the update is proportional to the gradients; the bound may be as small as one likes
    scale = next((s for s in (1e-6, 1e-14) if sizes[s] > 0 and abs(sizes[10 * s] / sizes[s] / 10 - 1) < 0.05), None)
    if scale is None or not np.isfinite(sizes[1.0]):
        return None
    if not is_proportional(tried.responses[1.0], tried.sample(tried.made)):
        return None
    flat = sizes[100.0] < 1.05 * sizes[1.0]
    return sizes[scale] / scale / sizes[1.0] if flat and sizes[1.0] > 0 else None


def is_proportional(update: list[Array], grads: list[Array]) -> bool:
    """Whether within each tensor the update is a multiple of the gradient, as after SGD but not after Adam."""
    fits = [_fit(ours, theirs) for ours, theirs in zip(update, grads, strict=True) if ours.size > 3 and np.any(ours)]
    return bool(fits) and min(fits) > 0.99


def _fit(ours: Array, theirs: Array) -> float:
    size = np.linalg.norm(ours) * np.linalg.norm(theirs)
    return abs(float(ours @ theirs)) / size if size > 0 and np.isfinite(size) else 0.0
