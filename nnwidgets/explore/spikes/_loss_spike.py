"""A loss spike: whose gradient grew first, and which examples carried it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from nnwidgets.records import Cost, Exploration, Guide, Line, Plot, Spike

from .._lab import Lab

# Tensors that are drawn, examples that are listed.
_DRAWN, _LISTED = 5, 8
_CAUTION = (
    "Gradient norms of examples are those of each by itself, and layers are compared with their own first half of these steps: "
    "a spike that built up over more steps than are shown has grown before."
)


@dataclass(frozen=True)
class LossSpike:
    """Which step's loss jumped, whose gradient grew first, and which examples of its batch carried it?

    The loss that is furthest above the dozen before it is looked into: the steps that led there are made again, bit for
    bit, with the norm of each tensor's gradient, and the batch is taken apart, each example with its own loss and gradient. A
    gradient that grew before the loss did speaks for the step size: lower the learning rate there, or bound the
    gradient's norm. Else few examples that hold most of the gradient norms speak for the data: look at these, and at their
    labels.

    Attributes:
        step: to look into; the one whose loss is furthest above those before it if None.
    """

    step: int | None = None

    name: ClassVar[str] = "loss spike"

    def cost(self, lab: Lab) -> Cost:
        """A dozen steps, and the way to them from the nearest saved state; one gradient for each example."""
        return lab.cost(12 + (lab.rows or 0), programs=2)

    def run(self, lab: Lab) -> Exploration:
        """Look into it.

        Raises:
            ValueError: the step was not made, or is out of reach.
        """
        spike = lab.find_spike(self.step)
        if spike is None:
            return Exploration(self.name, "No loss is above the dozen before it.")
        advice = ""
        if not spike.stands_out:
            pass
        elif spike.first_step is not None and spike.first_step < spike.step:
            advice = " That was before the loss: lower the learning rate there, or bound the gradient's norm."
        elif spike.few:
            advice = " Look at these examples and their labels."
        verdict, columns = "suspicious" if spike.stands_out else "ok", ("example", "loss", "gradient norm", "share")
        return Exploration(
            self.name, f"{'. '.join(spike.sentences)}.{advice}", verdict, columns, _rows(spike), _pictures(spike),
            {"step": spike.step, "loss": spike.loss, "usual": spike.usual, "first": spike.first, "carriers": spike.carriers},
            _CAUTION,
        )  # fmt: skip


def _rows(spike: Spike) -> tuple[tuple[int, float, float, str], ...]:
    if spike.examples is None:
        return ()
    losses, norms = spike.examples
    whole = max(float(norms.sum()), 1e-30)
    return tuple((int(i), float(losses[i]), float(norms[i]), _percent(norms[i] / whole)) for i in spike.order[:_LISTED])


def _percent(share: float) -> str:
    return f"{share:.0%}" if np.isfinite(share) else ""


def _pictures(spike: Spike) -> tuple[Plot, ...]:
    largest = np.nan_to_num(spike.growth, nan=np.inf).max(axis=0)
    shown = np.argsort(-largest, kind="stable")[:_DRAWN]
    grown = Plot(
        f"Gradients before step {spike.step}", "step", "norm, times the usual",
        tuple(Line(spike.layers[t], spike.steps, spike.growth[:, t]) for t in shown),
        (Guide(spike.step, "the loss jumps"), Guide(1.0, "usual", "y")), log_y=True,
    )  # fmt: skip
    if spike.examples is None:
        return (grown,)
    carries = np.isin(np.arange(spike.batch_size), spike.carriers)
    sets = (("carry it", carries), ("the others", ~carries))
    losses, norms = spike.examples
    examples = Plot(
        f"Examples of the batch of step {spike.step}", "loss", "gradient norm",
        tuple(Line(name, losses[mine], norms[mine], dots=True) for name, mine in sets if mine.any()),
        log_x=bool((losses > 0).all()), log_y=True,
    )  # fmt: skip
    return grown, examples
