"""A step that is compiled again and again."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from nnwidgets.records import Finding, History, UnknownReading


@dataclass(frozen=True)
class Recompiles:
    """Programs are compiled at most steps, long after the first: the run spends its time on compiling.

    Shown is at how many of the newest steps XLA compiled something. Usual causes: a new function or lambda handed to jax.jit
    in each step, a static argument that changes with the step, a Python number where an
    array stood before, batches of ever new shapes. Source: jax#1832, jax#4274.

    Attributes:
        after: steps that compile as a matter of course.
        fewest: steps beyond these, before it speaks.
        steps: that are looked at, the newest.
        share: of them at which something was compiled, from which on it speaks.
    """

    after: int = 3
    fewest: int = 8
    steps: int = 20
    share: float = 0.6

    def check(self, history: History) -> Finding | None:
        """Whether most of the newest steps compiled.

        Raises:
            UnknownReading: not one step has compiled anything yet, or there were too few.
        """
        counted = history["run/compiles"]
        newest = history.latest("train/loss")
        looked = min(self.steps, int(newest[0]) - self.after) if newest is not None else 0
        if newest is None or looked < self.fewest:
            raise UnknownReading(f"{self.fewest} steps are needed after the first {self.after}.")
        late = counted.steps[(counted.steps > newest[0] - looked) & (counted.values[:, 0] > 0)]
        found = len(np.unique(late)) / looked
        if found < self.share:
            return None
        return Finding(
            rule="Recompiles",
            severity="problem",
            where="",
            step=int(newest[0]),
            evidence={"share of steps that compiled": found, "steps looked at": looked},
            explanation=f"{100 * found:.0f} % of the newest {looked} steps compiled a program anew.",
            remedy="Make the step function once, outside the loop; hand in what changes as an array; keep shapes and "
            "dtypes the same (jnp.asarray(x, jnp.float32) for numbers, drop the short last batch).",
        )
