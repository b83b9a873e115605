"""The loss after some steps, over learning rates and seeds."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from nnwidgets.records import Cost, Exploration, Grid, Guide, Line, Plot

from .._lab import Lab
from .._rates import Numbers, ends, losses_of, plans, run_plans, shared_by, start_of
from ._rate_unit import RateUnit, unit_of
from ._rate_verdict import LOW, Judged, diverged, judge_rate
from ._regimes import best_of, mark_rates

_CAUTION = (
    "The rate that is best after {steps} steps is often not the one that is best after many more, and all runs start from"
    " the same parameters: seeds change the order of the batches and the random numbers, not the initial weights. The loss"
    " is that of training."
)


@dataclass(frozen=True)
class LearningRateMap:
    """How far does each learning rate bring the loss, and for which seeds? Many short runs from one state, at once.

    Runs at learning rates from far below the present one to far above it, each with several orders of the batches and
    random numbers, compiled as one program. Each is compared with the same batches where nothing is learned. A rate is
    "diverged" where most seeds end above that by three times the size of the loss, or at no finite number; "good" where
    for every seed the loss falls at least half as far as at the best rate; else "too low" below the best rate, and "edge"
    above it.

    Attributes:
        rates: learning rates, evenly spaced in the logarithm; the present one is among them.
        decades: powers of ten from the lowest to the highest.
        seeds: runs at each; the first has the run's own batches and keys.
        steps: of each run.
        start: "now", or "first": from the first state in reach.
    """

    rates: int = 16
    decades: float = 6.0
    seeds: int = 4
    steps: int = 100
    start: str = "now"

    name: ClassVar[str] = "learning rate map"

    @property
    def factors(self) -> Numbers:
        """The learning rates as multiples of the present one (rates,), ascending; 1 is among them."""
        return 10 ** ((np.arange(self.rates) - self.rates // 2) * self.decades / (self.rates - 1))

    def cost(self, lab: Lab) -> Cost:
        """All runs, and one a seed where nothing is learned."""
        return lab.cost((self.rates + 1) * self.seeds * self.steps)

    def run(self, lab: Lab) -> Exploration:
        """Train them all and mark the rates."""
        self._check()
        at, unit = start_of(lab, self.start), unit_of(lab)
        shared = shared_by(lab, at, self.steps)
        # from the present one outwards: what is stopped early knows that one
        order = np.argsort(np.abs(np.log(self.factors)), kind="stable")
        given = lab.multiplier * np.concatenate([[0.0], self.factors[order]])
        made = plans(lab, given, self.seeds, self.steps, len(lab.batches))
        losses = run_plans(losses_of(lab.objective, lab.tx), lab, made, shared, "runs", seeds=self.seeds)
        if len(losses) < 2:
            return Exploration(
                self.name, "It was stopped before the present rate was tried.", "unknown", complete=False
            )
        still, level = ends(losses[0]), float(np.mean(losses[0], dtype=np.float64))
        if not np.isfinite(still).all():
            return Exploration(
                self.name,
                "The loss is not finite before anything is learned: no rate can help. See session.findings.",
                "wrong",
            )
        factors = self.factors[order][: len(losses) - 1]
        upwards = np.argsort(factors)
        return self._told(unit, factors[upwards], ends(losses[1:])[upwards], still, abs(level))

    def _told(self, unit: RateUnit, factors: Numbers, found: Numbers, still: Numbers, scale: float) -> Exploration:
        marks, best = mark_rates(found, still, scale), best_of(found, still, scale)
        yours, rates = int(np.argmin(np.abs(np.log(factors)))), unit.present * factors
        judged = _judge(found, still, scale, factors, yours, best)
        middle = np.median(found, axis=1)
        good = [rate for rate, mark in zip(rates, marks, strict=True) if mark == "good"]
        numbers: dict[str, Any] = {
            "unit": unit.axis, "present": unit.present, "mark": marks[yours], "fault": judged.fault, "rates": rates.tolist(),
            "marks": marks, "losses": found.tolist(), "loss_present": float(middle[yours]),
            "loss_without_learning": float(np.median(still)), "good_from": min(good, default=None),
            "good_to": max(good, default=None), "best": None if best is None else float(rates[best]),
            "loss_best": None if best is None else float(middle[best]),
        }  # fmt: skip
        rows = [
            (rate, mark, middle[i], found[i].min(), found[i].max(), int(diverged(found[i], still, scale).sum()))
            for i, (rate, mark) in enumerate(zip(rates.tolist(), marks, strict=True))
        ]
        return Exploration(
            self.name, _answer(unit, factors, marks, middle, still, judged, yours, best, self.steps), judged.verdict,
            columns=(unit.axis, "mark", "loss, median", "lowest", "highest", f"diverged, of {self.seeds}"), rows=tuple(rows),
            pictures=(_heatmap(unit, rates, found, marks), _curve(unit, rates, found, still, scale, best)), numbers=numbers,
            caution=_CAUTION.format(steps=self.steps),
        )  # fmt: skip

    def _check(self) -> None:
        problems = []
        if self.rates < 3:
            problems.append(f"rates must be at least 3, got {self.rates}")
        if not self.decades > 0:
            problems.append(f"decades must be above 0, got {self.decades:g}")
        if self.seeds < 1:
            problems.append(f"seeds must be at least 1, got {self.seeds}")
        if self.steps < 1:
            problems.append(f"steps must be at least 1, got {self.steps}")
        if problems:
            raise ValueError("This map can't be made: " + "; ".join(problems) + ".")


def _judge(found: Numbers, still: Numbers, scale: float, factors: Numbers, yours: int, best: int | None) -> Judged:
    if best is None:
        return Judged("wrong", "diverged")
    judged = judge_rate(found[yours], found[best], still, float(factors[best] / factors[yours]), scale)
    if not judged.fault and diverged(found[yours], still, scale).any():
        return Judged("suspicious", "at the edge")
    return judged


def _answer(
    unit: RateUnit, factors: Numbers, marks: list[str], middle: Numbers, still: Numbers, judged: Judged, yours: int,
    best: int | None, steps: int,
) -> str:  # fmt: skip
    if best is None:
        return f"Every learning rate diverges, down to {unit.words(float(factors[0]))}: try a map with more decades."
    good = [factor for factor, mark in zip(factors, marks, strict=True) if mark == "good"]
    start = f"Without learning the loss is {np.median(still):.3g}. "
    if not good:
        told = f"{start}No learning rate lowers it in {steps} steps."
    else:
        last = " (the end of the map: more may be gained beyond)" if best in (0, len(factors) - 1) else ""
        told = (
            f"{start}Best after {steps} steps is {unit.words(float(factors[best]))}{last}, with {middle[best]:.3g}; good are"
            f" {unit.words(good[0])} to {unit.words(good[-1])}."
        )
    comes = f"{middle[yours]:.3g}" if np.isfinite(middle[yours]) else "no finite number"
    says = {"": "is fine", "diverged": "diverges"}.get(judged.fault, f"is {judged.fault}")
    if not judged.fault and marks[yours] == "too low":
        says = f"falls less than half as far, though the best is less than {LOW:g} times as high"
    if not judged.fault and marks[yours] == "no fall":
        says = "does no harm"
    return f"{told} Yours, {unit.words(1.0)}, {says}: {comes}."


def _heatmap(unit: RateUnit, rates: Numbers, found: Numbers, marks: list[str]) -> Grid:
    finite = found[np.isfinite(found)]
    labels = [["" if np.isfinite(each) else "\u00d7" for each in seed] for seed in found.T]
    return Grid(
        "Loss at the end; \u00d7: not a finite number", unit.axis, "seed", "loss", rates, np.arange(found.shape[1]), found.T,
        log_x=True, log=bool(finite.size and finite.min() > 0), labels=labels,
    )  # fmt: skip


def _curve(unit: RateUnit, rates: Numbers, found: Numbers, still: Numbers, scale: float, best: int | None) -> Plot:
    # a loss that has diverged is a gap: its size says nothing
    shown = np.where(diverged(found, still, scale), np.nan, found)
    whole = np.isfinite(shown).all(axis=1)
    middle, low, high = (
        np.where(whole, each, np.nan) for each in (np.median(found, axis=1), found.min(axis=1), found.max(axis=1))
    )
    guides = [Guide(unit.present, "yours"), Guide(float(np.median(still)), "without learning", "y")]
    guides += [] if best is None else [Guide(float(rates[best]), "best")]
    lines = (Line("median, and range over the seeds", rates, middle, low=low, high=high),)
    finite = shown[np.isfinite(shown)]
    return Plot(
        "Loss at the end, by learning rate", unit.axis, "loss", lines, tuple(guides), log_x=True,
        log_y=bool(finite.size and finite.min() > 0),
    )  # fmt: skip
