"""Dropout before and behind batch norm, trained side by side."""

from __future__ import annotations

from typing import Any

import numpy as np

from nnwidgets.records import Line, Plot

from .._paired import Interval, interval
from .._side_by_side import Trained

AS_IT_IS = "as it is"
# Of the loss: what a change must bring.
_NOTICED = 0.02


class Orders:
    """The losses after training in other orders.

    Attributes:
        losses: in evaluation, for each order (keys,).
        which: batches these are of.
        why: the orders can't be compared; "" if they can.
    """

    def __init__(
        self,
        found: dict[str, Trained] | None = None,
        losses: dict[str, Any] | None = None,
        which: str = "",
        why: str = "",
    ) -> None:
        self._found, self.losses, self.which, self.why = found or {}, losses or {}, which, why

    @property
    def gaps(self) -> dict[str, Interval]:
        """Of each other order against the run's own."""
        others = [name for name in self.losses if name != AS_IT_IS]
        # where both blew up, the difference is no number
        with np.errstate(invalid="ignore"):
            return {name: interval(self.losses[name] - self.losses[AS_IT_IS]) for name in others}

    @property
    def better(self) -> str:
        """The order that is certainly and noticeably better, the first if there are two; "" if there is none."""
        return next((name for name, gap in self.gaps.items() if gap.high < 0 and self._is_noticed(gap)), "")

    def _is_noticed(self, gap: Interval) -> bool:
        return -gap.mean > _NOTICED * abs(float(self.losses[AS_IT_IS].mean()))

    def words(self, steps: int) -> str:
        if not self.losses:
            return ""
        told = [f"{losses.mean():.4g} {name}" for name, losses in self.losses.items()]
        keys = len(self.losses[AS_IT_IS])
        return f"Loss in evaluation ({self.which}) after {steps} steps, {keys} keys: {', '.join(told)}."

    def numbers(self) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for name, losses in self.losses.items():
            label = f"evaluation_loss_{name.replace(' ', '_')}"
            found[label] = float(losses.mean())
            if name in self.gaps:
                gap = self.gaps[name]
                found |= {f"{label}_change": gap.mean, f"{label}_change_low": gap.low, f"{label}_change_high": gap.high}
        return found

    def pictures(self) -> list[Plot]:
        if not self._found:
            return []
        lines = []
        for name, each in self._found.items():
            losses = each.losses
            lines.append(Line(name, np.arange(losses.shape[1]), losses.mean(0), losses.min(0), losses.max(0)))
        return [Plot("Training loss in each order", "step from here", "loss, mean and range of the keys", tuple(lines))]
