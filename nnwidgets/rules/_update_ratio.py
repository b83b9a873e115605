"""Updates that are as large as the parameters."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from nnwidgets.records import Finding, History

from ._course import tensors_of


@dataclass(frozen=True)
class UpdateRatio:
    """A step changes the middle tensor by a fifth of its size or more, for most of the run: nothing that is learned stays.

    Usual is a thousandth (CS231n notes); in the first steps, or of a bias that is still near 0, it is more, which is why
    the middle tensor counts, over all but the first quarter of the readings. A fork with a tenth of the learning rate
    confirms it.
    """

    ratio: float = 0.2

    def check(self, history: History) -> Finding | None:
        """The median over tensors of each one's median over the run."""
        read = tensors_of(history, "update/ratio", 8, 20)
        ratios = read.median(since=0.25)
        known = ratios[np.isfinite(ratios)]
        if not len(known) or float(np.median(known)) < self.ratio:
            return None
        worst = int(np.nanargmax(ratios))
        return Finding(
            rule="UpdateRatio",
            severity="warning",
            where=read.layers[worst],
            step=int(read.steps[-1]),
            evidence={"update over parameter, middle tensor": float(np.median(known))}
            | {f"update/ratio {read.layers[worst]}": float(ratios[worst])},
            explanation=f"A step changes the middle tensor by {np.median(known):.2g} of its size.",
            remedy="Lower the learning rate tenfold.",
            confirm="lower learning rate",
            change=("multiplier", 0.1),
        )
