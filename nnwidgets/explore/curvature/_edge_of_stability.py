"""The sharpness of the loss against what the optimizer's steps can bear."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from nnwidgets.lint import find_nodes, has_fields
from nnwidgets.records import Cost, Exploration
from nnwidgets.train import Saved

from .._lab import Lab
from .._rates import ends, losses_of, plans, run_plans, shared_by
from ..learning_rate._rate_verdict import Judged, diverged
from ._edge import Place, over_steps, place_of
from ._response import NoResponse
from ._several_batches import is_wide

# What fades by less than this share a step is never forgotten.
_FOREVER = 0.9995
# Products with the Hessian, which cost two gradients each, that Lanczos' method takes, about.
_PRODUCTS = 12
# Orders of the batches in which the next steps are tried.
_SEEDS = 3
_CAUTION = (
    "The edge holds for a quadratic and for gradients of the whole data. The sharpness here is that of {batches}, in"
    " training; of fewer examples it is higher, of all it is lower. Runs with large batches hover at the edge without"
    " diverging, above it the loss may move to flatter places by itself, and with small batches training is unstable"
    " well below it. Below the edge a rate may still be too low, or too high: the edge is a bound and no advice."
)


@dataclass(frozen=True)
class EdgeOfStability:
    r"""Is the learning rate near the one at which steps become unstable, or beyond it?

    The largest eigenvalue of the Hessian is held against that at which steps along its direction grow. For SGD with
    learning rate :math:`\eta` this edge is :math:`2 / \eta`, with momentum :math:`(2 + 2 \beta) / \eta`, with Nesterov's
    :math:`(2 + 2 \beta) / ((1 + 2 \beta) \eta)` (Cohen et al., arXiv:2103.00065), and for Adam :math:`(2 + 2 \beta_1) /
    ((1 - \beta_1) \eta)`, the well-known :math:`38 / \eta`, of the Hessian preconditioned by the second moments, bias
    corrected (Cohen et al., arXiv:2207.14484). The optimizer's name is not needed: small gradients of opposite sign
    show what its updates are per unit of gradient, and how they fade; the edge follows. Where the state is beyond the
    edge, the next steps are made on a copy and tell whether the loss rises.

    Attributes:
        batches: whose mean loss is looked at; more are nearer to the whole data.
        iterations: Hessian-vector products at most.
        along: states of the run besides the present one at which it is measured, for a picture over the steps.
        steps: that are made on a copy where it is beyond the edge.
    """

    batches: int = 4
    iterations: int = 30
    along: int = 0
    steps: int = 40

    name: ClassVar[str] = "edge of stability"

    def cost(self, lab: Lab) -> Cost:
        """Products with the Hessian, over all batches and over the first alone, and the steps on a copy."""
        return lab.cost((2 + self.along) * 2 * _PRODUCTS * self.batches + 2 * _SEEDS * self.steps, 4)

    def run(self, lab: Lab) -> Exploration:
        """Measure, and try where it looks unstable."""
        if self.batches < 1 or self.iterations < 2 or self.along < 0 or self.steps < 1:
            raise ValueError(
                "edge of stability needs batches and steps of at least 1, iterations of at least 2 and along of at least"
                f" 0, got batches={self.batches}, steps={self.steps}, iterations={self.iterations}, along={self.along}."
            )
        if not is_wide(lab.params):
            return self._unknown("it takes real parameters of float32, whose small changes are not rounded away")
        now = Saved(lab.step, lab.params, lab.state, lab.opt_state)
        try:
            place = place_of(lab, now, self.batches, self.iterations)
        except NoResponse as reason:
            if find_nodes(lab.opt_state, has_fields("nu")) and not lab.step:
                return self._unknown(
                    "before the first step the second moments are zero. Type session.run(20), then again"
                )
            return self._unknown(str(reason))
        if place.uphill:
            words = "The updates go along the gradient, uphill: negate them once, in the optimizer alone."
            return Exploration(self.name, words, "wrong")
        if place.response.fading > _FOREVER:
            return self._forever(place)
        if not np.isfinite(place.top):
            return self._unknown("the Hessian is not finite")
        one = place_of(lab, now, self.batches, self.iterations, one=True)
        tried = self._try(lab, now) if place.share > 1 else None
        return self._told(lab, place, one, tried, self._visited(lab) if self.along else [])

    def _visited(self, lab: Lab) -> list[Place]:
        states = [each for each in lab.visited() if each.step != lab.step]
        chosen = np.unique(np.linspace(0, len(states) - 1, self.along).astype(int)) if states else []
        found = list[Place]()
        for i in lab.each(list(chosen), "states of the run"):
            try:
                found.append(place_of(lab, states[i], self.batches, self.iterations))
            except NoResponse:
                # such as Adam before its first step
                continue
        return found

    def _try(self, lab: Lab, at: Saved) -> Judged:
        """Whether the loss rises in the next steps."""
        shared = shared_by(lab, at, self.steps)
        made = plans(lab, lab.multiplier * np.array([0.0, 1.0]), _SEEDS, self.steps, len(lab.batches))
        losses = run_plans(losses_of(lab.objective, lab.tx), lab, made, shared, "runs of the next steps", seeds=_SEEDS)
        still, going = ends(losses[0]), ends(losses[-1])
        if diverged(going, still, abs(float(still.mean()))).mean() > 0.5:
            return Judged("wrong", "diverges")
        return Judged("suspicious", "rises") if bool((going > still).all()) else Judged("ok", "falls")

    def _unknown(self, reason: str) -> Exploration:
        return Exploration(self.name, f"It can't be measured here: {reason}.", "unknown")

    def _forever(self, place: Place) -> Exploration:
        words = (
            "The optimizer never forgets: what a gradient adds to the update stays in every later one, so that the steps"
            " oscillate without end at any learning rate. Set kept gradients back to zero after each update, or let"
            " momentum fade (0.9)."
        )
        return Exploration(self.name, words, "wrong", numbers={"momentum": place.response.fading})

    def _told(self, lab: Lab, place: Place, one: Place, tried: Judged | None, visited: list[Place]) -> Exploration:
        unit, rate = place.unit(lab), lab.learning_rate
        numbers: dict[str, Any] = {
            "share": place.share, "share_error": place.error / place.response.edge, "share_one_batch": one.share,
            "learning_rate": rate, "momentum": place.response.fading, "unmoved": place.unmoved(lab),
            "preconditioned": not place.is_plain,
        }  # fmt: skip
        if unit is not None:
            numbers |= {"sharpness": place.top / unit, "edge": place.response.edge / unit}
        if rate and place.share > 0:
            numbers["highest_learning_rate"] = rate / place.share
        data = "1 batch" if self.batches == 1 else f"{self.batches} batches"
        return Exploration(
            self.name, _answer(lab, place, tried, numbers, self.steps), tried.verdict if tried else "ok",
            columns=("what", "value"), rows=_rows(numbers, data), numbers=numbers,
            pictures=(over_steps([*visited, place]),) if visited else (), caution=_CAUTION.format(batches=data),
        )  # fmt: skip


def _answer(lab: Lab, place: Place, tried: Judged | None, numbers: dict[str, Any], steps: int) -> str:
    kind = "of the preconditioned Hessian " if numbers["preconditioned"] else ""
    told = f"The largest eigenvalue {kind}is {place.share:.3g} of that up to which steps are stable."
    if "sharpness" in numbers:
        sharpness, edge = numbers["sharpness"], numbers["edge"]
        told = f"The largest eigenvalue {kind}is {sharpness:.3g}; steps are stable up to {edge:.3g}."
    highest = numbers.get("highest_learning_rate")
    at = f" ({highest:.3g})" if highest else ""
    if place.top <= 0:
        told = (
            "No direction is curved upwards here: there is no learning rate at which a quadratic like this is unstable."
        )
    elif tried is None:
        told += f" Its direction would be unstable at {1 / place.share:.3g} times the learning rate{at}."
    else:
        lower = f"lower the learning rate {place.share:.2g}-fold{at} or more"
        says = {
            "diverges": f"the loss diverges in the next {steps} steps: {lower}",
            "rises": f"the loss rises in the next {steps} steps: {lower}",
            "falls": f"the loss falls all the same in the next {steps} steps: the run hovers at the edge, as runs do",
        }
        told += f" The learning rate is {place.share:.2g} times too high for its direction, and {says[tried.fault]}."
    if place.response.bounded:
        told += " The gradients are clipped now, which holds the steps; this is without clipping."
    if numbers["unmoved"]:
        names = ", ".join(numbers["unmoved"][:4]) + (", ..." if len(numbers["unmoved"]) > 4 else "")
        told += f" No gradient moves {len(numbers['unmoved'])} of {len(lab.objective.paths)} parameters ({names})."
    return told


def _rows(numbers: dict[str, Any], data: str) -> tuple[tuple[Any, ...], ...]:
    words = {
        "sharpness": f"largest eigenvalue, {data}", "edge": "stable up to", "share": "share of the edge",
        "share_one_batch": "the same on the first batch alone", "learning_rate": "learning rate",
        "highest_learning_rate": "stable learning rate, at most", "momentum": "momentum",
    }  # fmt: skip
    return tuple((text, numbers[name]) for name, text in words.items() if numbers.get(name) is not None)
