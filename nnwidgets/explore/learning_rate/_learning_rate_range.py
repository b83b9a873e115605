"""A range test of the learning rate."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from nnwidgets.records import Cost, Exploration, Guide, Line, Plot

from .._lab import Lab
from .._rates import Numbers, ends, losses_of, plans, run_plans, shared_by, start_of
from ._rate_unit import RateUnit, unit_of
from ._rate_verdict import Judged, judge_rate
from ._sweep import Sweep, read_sweep

_CAUTION = (
    "A range test sees {steps} steps of training and no more: the rate that is best for a long run, or after a warm-up, may"
    " be another one, and late in a run a lower one than at its start. Divergence shows late in a sweep, since the loss must"
    " first climb back: constant rates well below that point diverge, too. It multiplies the updates of the optimizer,"
    " whatever that is, from its present state on."
)
# What the sweep says of a rate that does as well as the suggested one.
_SIDES = {"too low": ", on the low side", "too high": ", on the high side"}


@dataclass(frozen=True)
class LearningRateRange:
    """Which learning rate should I take? On a copy of the run it rises from far too low to far too high, a little each step.

    The range test of Smith, "Cyclical learning rates for training neural networks" (2017, section 3.3), as fastai's
    ``lr_find`` has it. Each step's loss is taken less that of the same batch, with the same random numbers, where nothing is
    learned: what is left is the change by learning, free of the noise between batches. Of `repeats` orders of the batches the
    median is smoothed (bias-corrected moving average) and read: "too low" before a tenth of the fall is made; "good" to halfway
    (of the logarithm) from the steepest point to the lowest; "too high" to where it has risen by three times its size or its
    fall; there it has diverged. Suggested is the smaller of the steepest point and a tenth of the lowest. The same number of
    steps at the present rate and at the suggested one then decide on the verdict. Where no rate lowers the loss there is none,
    unless the present one raises it.

    Attributes:
        steps: of the sweep.
        lowest: where it begins, times the present learning rate.
        highest: where it ends.
        repeats: orders of the batches, each with random numbers of its own.
        smoothing: share of the moving average that stays at each step.
        start: "now", or "first": from the first state in reach. After training nothing may fall any more.
    """

    steps: int = 100
    lowest: float = 1e-4
    highest: float = 1e4
    repeats: int = 3
    smoothing: float = 0.8
    start: str = "now"

    name: ClassVar[str] = "learning rate range"

    def cost(self, lab: Lab) -> Cost:
        """Four runs a repeat: the sweep, none, the present rate, the suggested one."""
        return lab.cost(4 * self.repeats * self.steps)

    def run(self, lab: Lab) -> Exploration:
        """Sweep, read, and try out what is suggested."""
        self._check()
        at, unit = start_of(lab, self.start), unit_of(lab)
        shared = shared_by(lab, at, self.steps)
        sweep = np.geomspace(self.lowest, self.highest, self.steps)

        def run(multipliers: Any, what: str) -> Numbers:
            made = plans(lab, lab.multiplier * np.stack(multipliers), self.repeats, self.steps, len(lab.batches))
            found = run_plans(losses_of(lab.objective, lab.tx), lab, made, shared, what, seeds=self.repeats)
            return np.asarray(found, np.float64)

        losses = run([np.zeros(self.steps), sweep], "runs of the sweep")
        if len(losses) < 2:
            return Exploration(self.name, "It was stopped before the sweep was made.", "unknown", complete=False)
        still, level = ends(losses[0]), float(losses[0].mean())
        if not np.isfinite(losses[0]).all():
            return Exploration(
                self.name,
                "The loss is not finite before anything is learned: no rate can help. See session.findings.",
                "wrong",
            )
        read = read_sweep(sweep, losses[1] - losses[0], level, self.smoothing)
        other = read.suggested if read.fell else min(0.1, read.diverges / 10)
        tried = ends(run([np.ones(self.steps), np.full(self.steps, other)], "runs at constant rates"))
        judged = Judged("ok", "")
        if len(tried) == 2:
            judged = judge_rate(tried[0], tried[1], still, other, abs(level))
        if not (read.fell or judged.fault):
            judged = Judged("unknown", "")
        return self._told(unit, read, losses, still, tried, other, judged)

    def _told(
        self, unit: RateUnit, read: Sweep, losses: Numbers, still: Numbers, tried: Numbers, other: float, judged: Judged
    ) -> Exploration:
        numbers: dict[str, Any] = {
            "unit": unit.axis, "present": unit.present, "suggested": unit.present * other if read.fell else None,
            "suggested_factor": other if read.fell else None, "diverges": unit.present * read.diverges,
            "mark": judged.fault or read.mark(1.0), "fault": judged.fault, "loss_without_learning": float(still.mean()),
        }  # fmt: skip
        if read.fell:
            numbers |= {"steepest": unit.present * read.steepest, "lowest": unit.present * read.lowest}
        if len(tried) == 2:
            numbers |= {"loss_present": float(tried[0].mean()), "loss_suggested": float(tried[1].mean())}
        return Exploration(
            self.name, _answer(unit, read, other, judged, numbers, self.steps), judged.verdict,
            columns=(f"{unit.axis}: from", "to", "mark"), rows=_rows(unit, read, self.lowest, self.highest),
            pictures=(_picture(unit, read, losses, other),), numbers=numbers, caution=_CAUTION.format(steps=self.steps),
        )  # fmt: skip

    def _check(self) -> None:
        problems = []
        if self.steps < 10:
            problems.append(f"steps must be at least 10, got {self.steps}")
        if not 0 < self.lowest < 1 < self.highest:
            problems.append(
                f"lowest and highest are times the present learning rate, one below and one above 1, got {self.lowest:g} and"
                f" {self.highest:g}"
            )
        if self.repeats < 1:
            problems.append(f"repeats must be at least 1, got {self.repeats}")
        if not 0 <= self.smoothing < 1:
            problems.append(f"smoothing must be from 0 to below 1, got {self.smoothing:g}")
        if problems:
            raise ValueError("This range test can't be made: " + "; ".join(problems) + ".")


def _answer(unit: RateUnit, read: Sweep, other: float, judged: Judged, numbers: dict[str, Any], steps: int) -> str:
    beyond = f"; at {unit.words(read.diverges)} it has diverged" if np.isfinite(read.diverges) else ""
    if read.fell:
        low, high = read.good
        last = unit.words(high) + (" (the end of the sweep)" if read.falls_on else "")
        told = f"Suggested: {unit.words(other)}. The loss falls at rates from {unit.words(low)} to {last}{beyond}."
    else:
        told = f'No learning rate lowers the loss from here{beyond}. After training that is usual: measure start="first" then.'
    if "loss_present" not in numbers:
        return told
    present, tried, still = (numbers[f"loss_{name}"] for name in ("present", "suggested", "without_learning"))
    fine = f"is fine{_SIDES.get(read.mark(1.0), '')}" if judged.verdict == "ok" else "can't be judged from here"
    says = {"": fine, "diverged": "diverges"}.get(judged.fault, f"is {judged.fault}")
    ends_at, than = (f"{each:.3g}" if np.isfinite(each) else "no finite number" for each in (present, tried))
    stay = ": stay with yours" if not judged.fault and present < tried else ""
    return (
        f"{told} Yours, {unit.words(1.0)}, {says}: in {steps} steps the loss comes from {still:.3g} to {ends_at}, with"
        f" {unit.words(other)} to {than}{stay}."
    )


def _rows(unit: RateUnit, read: Sweep, lowest: float, highest: float) -> tuple[tuple[Any, ...], ...]:
    if read.fell:
        low, high = read.good
        marks = [(lowest, low, "too low"), (low, high, "good"), (high, min(read.diverges, highest), "too high")]
    else:
        marks = [(lowest, min(read.diverges, highest), "no fall")]
    marks += [(read.diverges, highest, "diverged")] if read.diverges < highest else []
    return tuple((unit.present * begin, unit.present * end, mark) for begin, end, mark in marks if begin < end)


def _picture(unit: RateUnit, read: Sweep, losses: Numbers, other: float) -> Plot:
    count, level = int(np.sum(read.rates < read.diverges)) + 1, float(losses[0].mean())
    change = (losses[1] - losses[0])[:, :count]
    # what shoots up at the end would leave the rest flat
    top = level + 1.5 * max(abs(level), float(-np.nanmin(change)))
    single = np.fmin(level + change, top)
    rates, middle = unit.present * read.rates[:count], level + read.change[:count]
    lines = (
        Line("smoothed", rates, np.fmin(middle, top)),
        Line("each step", rates, np.median(single, axis=0), low=single.min(axis=0), high=single.max(axis=0)),
    )
    guides = [Guide(unit.present, "yours")]
    if read.fell:
        guides.append(Guide(unit.present * other, "suggested"))
    if np.isfinite(read.diverges):
        guides.append(Guide(unit.present * read.diverges, "diverged"))
    title = "Loss while the learning rate rises, without the noise between batches"
    return Plot(title, unit.axis, "loss", lines, tuple(guides), log_x=True)
