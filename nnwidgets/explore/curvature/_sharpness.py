"""How sharply the loss is curved where the run stands."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import jax
import numpy as np

from nnwidgets.records import Cost, Exploration, Guide, Line, Plot

from .._lab import Lab
from .._lanes import stacked
from .._paired import interval
from . import _sharpness_programs as programs
from ._several_batches import is_wide

# Points of a curve; products with the Hessian that Lanczos' method takes, about.
_PLACES, _PRODUCTS = 21, 15


@dataclass(frozen=True)
class Sharpness:
    r"""How sharply is the loss curved here, and in how many directions?

    The largest eigenvalues of the Hessian by Lanczos' method on Hessian-vector products, its trace by Hutchinson's estimator
    with a 95 % interval, and the sharpness of Keskar et al., "On Large-Batch Training for Deep Learning" (arXiv:1609.04836,
    metric 2.1): by how many percent of 1 + loss the loss can rise where every weight w moves by at most
    :math:`\epsilon (|w| + 1)`. All of the mean loss over several training batches in evaluation (no dropout, batch norms
    with their running statistics), since only so is it one function of the weights: in training another batch or key is
    another function. Plain gradient descent is stable up to a learning rate of 2 over the largest eigenvalue.

    Attributes:
        batches: whose mean loss is looked at.
        eigenvalues: how many of the largest.
        epsilon: relative size of the box; the paper's are 1e-3 and 5e-4.
        samples: random vectors for the trace.
    """

    batches: int = 4
    eigenvalues: int = 3
    epsilon: float = 1e-3
    samples: int = 30

    name: ClassVar[str] = "sharpness"

    def cost(self, lab: Lab) -> Cost:
        """Products with the Hessian count as two gradients, losses as a third of one."""
        products = _PRODUCTS + 5 * self.eigenvalues + self.samples
        return lab.cost(self.batches * (2 * products + 3 * programs.STEPS * (programs.STARTS + 3) + _PLACES), 5)

    def run(self, lab: Lab) -> Exploration:
        """The eigenvalues, the trace, the box, and the loss along the two sharpest directions; as far as there is time."""
        if self.batches < 1 or self.eigenvalues < 1 or self.samples < 2 or not self.epsilon > 0:
            raise ValueError(
                "sharpness needs batches and eigenvalues of at least 1, samples of at least 2 and a positive epsilon, got "
                f"batches={self.batches}, eigenvalues={self.eigenvalues}, samples={self.samples}, epsilon={self.epsilon}."
            )
        if not is_wide(lab.params):
            words = "It can't be measured here: it takes real parameters of float32, whose small changes are not rounded away."
            return Exploration(self.name, words, "unknown")
        look = _Look(self, lab)
        if not np.isfinite(look.loss):
            return Exploration(
                self.name, f"It can't be measured here: the loss in evaluation is {look.loss}.", "unknown"
            )
        for stage in lab.each((look.curvature, look.trace, look.box, look.slices), "sharpness"):
            stage()
        return look.told()


class _Look:
    """What has been measured so far."""

    def __init__(self, given: Sharpness, lab: Lab) -> None:
        self.given, self.lab, self.numbers = given, lab, dict[str, Any]()
        batches = jax.device_put(stacked(lab.fresh(given.batches)))
        key = jax.random.fold_in(lab.key, np.uint32(lab.step))
        self._at = (lab.params, lab.state, batches, key)
        self.loss, self._slope = map(
            float, programs.loss_and_slope(lab.objective)(*self._at, np.float32(given.epsilon))
        )
        self.numbers |= {"loss": self.loss, "batches": given.batches, "epsilon": given.epsilon}
        self._vector = self._worst = None
        self.pictures = list[Plot]()

    def curvature(self) -> None:
        found = programs.curvature(self.lab.objective, self.given.eigenvalues)(*self._at)
        self._vector = found.vector
        values = [float(each) for each in found.values if np.isfinite(each)]
        self.numbers |= {
            "eigenvalues": values, "residuals": [float(each) for each in found.residuals[: len(values)]],
            "top_eigenvalue": values[0] if values else float("nan"), "lowest_eigenvalue": float(found.lowest),
            "products": int(found.products),
        }  # fmt: skip

    def trace(self) -> None:
        found = np.asarray(programs.traces(self.lab.objective, self.given.samples)(*self._at), np.float64)
        told = interval(found)
        self.numbers |= {"trace": told.mean, "trace_low": told.low, "trace_high": told.high}

    def box(self) -> None:
        found = programs.box(self.lab.objective)(*self._at, self._vector, np.float32(self.given.epsilon))
        self._worst = found.where
        rise = float(found.highest - found.start)
        self.numbers |= {
            "keskar": float(found.percent), "highest_loss": float(found.highest),
            "slope_share": min(1.0, self._slope / rise) if rise > 0 else float("nan"),
        }  # fmt: skip

    def slices(self) -> None:
        places = np.linspace(-1, 1, _PLACES, dtype=np.float32)
        losses = programs.slices(self.lab.objective)(*self._at, self._worst, self._vector, places)
        names = ("the worst step in the box", "the sharpest direction, as long")
        lines = tuple(Line(name, places, each) for name, each in zip(names, np.asarray(losses), strict=True))
        self.pictures.append(
            Plot(
                "The loss along two directions, as far as the box reaches", "share of the step", "loss", lines,
                (Guide(0.0, "where the run is"),),
            )
        )  # fmt: skip

    def told(self) -> Exploration:
        found = self.numbers
        top = found["top_eigenvalue"]
        answer = f"The loss is curved by {top:.3g} along its sharpest direction"
        answer += f": plain gradient descent is stable below a learning rate of {2 / top:.2g}." if top > 0 else "."
        if "trace" in found:
            answer += (
                f" The trace is {found['trace']:.3g} (95 % {found['trace_low']:.3g} to {found['trace_high']:.3g})."
            )
        if "keskar" in found:
            answer += (
                f" Where each weight moves by \u00b1{self.given.epsilon:g} (|w| + 1) the loss of {self.loss:.4g} rises by "
                f"{found['keskar']:.3g} % of 1 + loss, at least."
            )
        rows = [
            (f"eigenvalue {i}", value, value - error, value + error)
            for i, (value, error) in enumerate(zip(found["eigenvalues"], found["residuals"], strict=True), 1)
        ]
        rows.append(("lowest eigenvalue, at most", found["lowest_eigenvalue"], None, found["lowest_eigenvalue"]))
        if "trace" in found:
            rows.append(("trace", found["trace"], found["trace_low"], found["trace_high"]))
        if "keskar" in found:
            rows.append(("rise in the box, % of 1 + loss", found["keskar"], found["keskar"], None))
        return Exploration(
            self.given.name, answer, columns=("what", "value", "low", "high"), rows=tuple(rows), pictures=tuple(self.pictures),
            numbers=found, caution=_caution(found),
        )  # fmt: skip


def _caution(found: dict[str, Any]) -> str:
    words = (
        "Sharpness depends on how the network is parametrised: scaling one ReLU layer up and the next down changes it, and not "
        "the function (Dinh et al. 2017). Compare runs of one network, at about the same loss."
    )
    if found["lowest_eigenvalue"] < -0.1 * abs(found["top_eigenvalue"]):
        words += f" Some directions are curved downwards, by {-found['lowest_eigenvalue']:.3g}: this is no minimum yet."
    if found.get("slope_share", 0.0) > 0.5:
        words += f" Of the rise in the box {found['slope_share']:.0%} is the slope: the run still goes downhill here."
    return words
