"""Updates that rounding swallows."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from nnwidgets.records import Finding, History

from ._course import tensors_of


@dataclass(frozen=True)
class SwallowedUpdates:
    """In parameters of 16 bits most updates are smaller than half the distance to the next number: they are lost.

    bfloat16 has 8 bits of mantissa, so that an update below 1/512 of the entry changes nothing. Read is the share of
    entries that an update other than 0 leaves as they are (`update/unchanged`). Red where it is nine in ten, for most
    of these tensors and most of the run; of single tensors, such as scales near 1, it is common.
    """

    most: float = 0.5
    nearly: float = 0.9
    rows: int = 5

    def check(self, history: History) -> Finding | None:
        """The median over the whole run, for each tensor."""
        read = tensors_of(history, "update/unchanged", self.rows)
        share = read.median()
        known = np.isfinite(share)
        if not known.any() or float(np.median(share[known])) < self.most:
            return None
        worst = int(np.nanargmax(share))
        return Finding(
            rule="SwallowedUpdates",
            severity="problem" if float(np.median(share[known])) >= self.nearly else "warning",
            where=read.layers[worst],
            step=int(read.steps[-1]),
            evidence={f"update/unchanged {read.layers[worst]}": float(share[worst])}
            | {"middle tensor": float(np.median(share[known])), "tensors": int(known.sum())}
            | {"dtype": dict(history.facts.dtypes).get(read.layers[worst], "16 bits")},
            explanation=f"{np.median(share[known]):.0%} of the entries stay as they are although the optimizer gives them an "
            "update: it is below their precision.",
            remedy="Keep the parameters in float32 and cast them in the forward pass.",
        )
