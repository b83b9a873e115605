"""Adam's epsilon, too large or too small."""

from __future__ import annotations

from dataclasses import dataclass

import jax
import numpy as np

from nnwidgets.records import Finding

from ._setup import Setup
from ._tight_clipping import is_proportional
from ._told import told
from ._trials import Trials, norm, trials


@dataclass(frozen=True)
class AdamEpsilon:
    """Adam's epsilon is larger than the gradients, so that little of a step is left, or so small that zeros give NaN.

    Seen by giving the first gradients, the same a million times larger, and zero gradients. In float16 the usual 1e-8
    is 0. Red where the first real update is not finite, or where what is left of the step changes the parameters in no
    run.
    """

    part: float = 0.1
    nothing: float = 1e-6

    def check(self, setup: Setup) -> Finding | None:
        """The updates to the first gradients, to large and to zero ones."""
        tried = trials(setup)
        if tried is None or not tried.period or not tried.is_normalised:
            return None
        return self._too_small(setup, tried) or self._too_large(tried)

    def _too_small(self, setup: Setup, tried: Trials) -> Finding | None:
        names = ("the first real gradients", "zero gradients")
        found = [
            name for name, grads in zip(names, (tried.real, tried.zeros), strict=True) if not _finite(tried, grads)
        ]
        if not found:
            return None
        kinds = sorted({str(leaf.dtype) for leaf in jax.tree.leaves(setup.params)})
        return told(
            self,
            f"Adam's division gives NaN or infinity for {found[0]}: its epsilon is 0 in {', '.join(kinds)}.",
            "Keep parameters and moments in float32, or take eps=1e-4.",
            severity="problem" if found[0] == names[0] else "warning",
            gives_not_finite=", ".join(found),
        )

    def _too_large(self, tried: Trials) -> Finding | None:
        sizes = {scale: norm(response) for scale, response in tried.responses.items()}
        top = max(size for size in sizes.values() if np.isfinite(size))
        left = sizes[1.0] / top if top > 0 else 1.0
        grows = sizes[10.0] > 5 * sizes[1.0]
        if not left < self.part or not grows or not is_proportional(tried.responses[1.0], tried.sample(tried.made)):
            return None
        ratio = tried.update_ratio
        return told(
            self,
            f"Adam's epsilon is larger than the gradients: the first step is {left:.2g} of what the learning rate says.",
            "Take eps=1e-8 (the default), and look why the gradients are so small if it is that already.",
            severity="problem" if ratio < self.nothing else "warning",
            confirm="higher learning rate",
            share_of_the_full_step=left,
            update_over_weights=ratio,
        )


def _finite(tried: Trials, grads: object) -> bool:
    return all(np.isfinite(leaf).all() for leaf in tried.once(grads, count=tried.peak)[2])
