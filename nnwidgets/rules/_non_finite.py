"""A loss or a gradient that is no longer a number."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from nnwidgets.records import Finding, History


@dataclass(frozen=True)
class NonFinite:
    """The loss or a gradient became NaN or infinite, and every later step only spreads it.

    Usual causes: a learning rate that is too high, a logarithm or division at zero, a square root's gradient at zero.
    """

    def check(self, history: History) -> Finding | None:
        """The first step at which the loss or a gradient was not finite, or None."""
        if "train/loss" not in history:
            return None
        loss = history["train/loss"]
        bad = ~(np.isfinite(loss.low[:, 0]) & np.isfinite(loss.high[:, 0]) & np.isfinite(loss.values[:, 0]))
        if not bad.any():
            return None
        step = int(loss.steps[bad][0])
        latest = history.latest("gradient/nonfinite") if "gradient/nonfinite" in history else None
        layers = history["gradient/nonfinite"].layers if latest is not None else ()
        where = next((path for path, count in zip(layers, latest[1], strict=True) if count > 0), "") if latest else ""
        return Finding(
            rule="NonFinite",
            severity="problem",
            where=where,
            step=step,
            evidence={"train/loss": float(loss.values[bad][0, 0])},
            explanation=f"The loss is not a finite number from step {step} on.",
            remedy="Lower the learning rate, and look for a logarithm, division or square root of zero in the loss.",
        )
