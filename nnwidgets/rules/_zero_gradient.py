"""A gradient that is exactly zero."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from nnwidgets.records import Finding, History

from ._course import Floats, Tensors, course_of, tensors_of


@dataclass(frozen=True)
class ZeroGradient:
    """The gradient of some or all tensors is exactly 0 at every reading: nothing that the loss says reaches them.

    Of all tensors, while the loss is not 0, it is red. Of some it may be meant (a frozen part). Usual causes: a
    stop_gradient or a step without slope (argmax, round, a comparison, a cast to integers) on the way, units that are all
    dead, a clip beyond its range, gradients too small for float16, a loss that does not use the outputs.
    """

    rows: int = 5

    def check(self, history: History) -> Finding | None:
        """All tensors for the last half of the readings, or some at all of them."""
        norms = tensors_of(history, "gradient/norm", self.rows)
        zero = norms.values == 0
        last = zero[len(zero) // 2 :]
        if last.all() and _is_anything(history):
            since = len(zero) - int(np.argmin(zero[::-1].all(axis=1))) if not zero.all() else 0
            return self._whole(norms, since)
        always = zero.all(axis=0)
        return self._some(norms, always) if always.any() and not always.all() else None

    def _whole(self, norms: Tensors, since: int) -> Finding:
        step = int(norms.steps[since])
        return Finding(
            rule="ZeroGradient",
            severity="problem",
            where="",
            step=step,
            evidence={"gradient/norm": 0.0, "tensors": len(norms.layers), "readings": len(norms.steps) - since},
            explanation=f"The gradient of every tensor is exactly 0 from step {step} on, although the loss is not.",
            remedy="Look for a step without slope between parameters and loss: argmax, round, comparison, cast, clip, "
            "stop_gradient, or units that are all dead.",
        )

    def _some(self, norms: Tensors, always: np.ndarray[tuple[int], np.dtype[np.bool_]]) -> Finding:
        which = [norms.layers[i] for i in np.flatnonzero(always)]
        return Finding(
            rule="ZeroGradient",
            severity="warning",
            where=which[0],
            step=int(norms.steps[0]),
            evidence={
                "gradient/norm": 0.0,
                "tensors": ", ".join(which[:5]),
                "how many": f"{len(which)} of {len(always)}",
            },
            explanation=f"The gradient of {which[0]}{f' and {len(which) - 1} more' if which[1:] else ''} is exactly 0 at "
            "every reading. Right if this part is frozen on purpose.",
            remedy="If it is not meant, look for a stop_gradient or a step without slope between it and the loss.",
        )


def _is_anything(history: History) -> bool:
    """Whether the loss is away from its least value: where all is learned, a hinge loss has no gradient either."""
    values: Floats = course_of(history, steps=3).part(2, 4)
    return bool(np.median(np.abs(values - (history.facts.least or 0.0))) > 1e-6 * max(1.0, np.abs(values).max()))
