"""Optimizers compared, each at its own best learning rate."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from nnwidgets.records import Cost, Exploration, Line, Plot

from .._lab import Lab
from .._paired import Interval, interval
from .._rates import Numbers, ends, start_of
from ..learning_rate._rate_unit import RELATIVE, unit_of
from ..learning_rate._rate_verdict import Judged, diverged, judge_rate
from ._contenders import Contender, Factory, contenders
from ._race import SWEEP_SEEDS, Race, at_rate, race, track_of

YOURS, YOURS_BEST = "yours", "yours at its best"
_CAUTION = (
    "Each had its learning rate tuned over {rates} values and nothing else, for {steps} steps and with a constant rate:"
    " more tuning, a schedule or more steps can change the order (Choi et al., arXiv:1910.05446; Schmidt et al.,"
    " arXiv:2007.01547). All runs start from the same parameters."
)


@dataclass(frozen=True)
class Optimizers:
    """Would another optimizer train this model better, or only another learning rate?

    SGD, momentum and Nesterov (0.9), RMSProp, Adam, AdamW and Lion, all else as Optax has it, from the same parameters
    and on the same batches with the same random numbers. Each takes the learning rate at which it comes lowest in a
    sweep, which goes on where the best is at an end. Then it runs with orders of the batches that the sweep has not seen,
    so that the choice does not flatter it. Your optimizer runs at its own learning rate and at its best one. Losses have
    95 % intervals over the seeds (Student's t); differences are those to yours at its best learning rate, paired by
    seed, and their intervals hold all at once (Bonferroni): what they do not tell apart is not certain.

    Attributes:
        steps: of each run.
        rates: learning rates of a sweep, each about three times the one before.
        seeds: runs of each optimizer at its best rate.
        optimizers: others to compare with, as functions of a learning rate by name:
            ``{"Adam, 0.99": lambda rate: optax.adam(rate, b1=0.99)}``.
        start: "first": the first state in reach, or "now"; the optimizers' own states are always new.
    """

    steps: int = 100
    rates: int = 7
    seeds: int = 5
    optimizers: Mapping[str, Factory] | None = None
    start: str = "first"

    name: ClassVar[str] = "optimizers"

    def cost(self, lab: Lab) -> Cost:
        """A sweep and runs of each, and your own once more; more where a sweep goes on."""
        count = len(contenders(self.optimizers)) + 1
        return lab.cost(self.steps * (count * (self.rates * SWEEP_SEEDS + self.seeds) + self.seeds), count)

    def run(self, lab: Lab) -> Exploration:
        """Yours first, then the others, each in turn."""
        self._check()
        others, at = contenders(self.optimizers), start_of(lab, self.start)
        track = track_of(lab, at, self.steps, self.seeds)
        mine = Contender(YOURS, lab.tx, None)
        yours, still = at_rate(lab, track, mine, 1.0), at_rate(lab, track, mine, 0.0)
        if yours is None or still is None:
            return Exploration(self.name, "It was stopped before yours was through.", "unknown", complete=False)
        found = list[Race]()
        for contender in lab.each([mine._replace(name=YOURS_BEST), *others], "optimizers"):
            made = race(lab, track, contender, self.rates)
            found += [] if made is None else [made]
        return self._told(lab, yours, found, still)

    def _told(self, lab: Lab, yours: Race, found: list[Race], still: Race) -> Exploration:
        level = ends(still.losses)
        scale = abs(float(level.mean()))
        # where the present rate is the best one, "at its best" are the same runs
        shown = [each for each in found if not (each.name == YOURS_BEST and np.isclose(each.rate, 1.0))]
        ordered = sorted([yours, *shown], key=lambda each: float(ends(each.losses).mean()))
        # tuned against tuned: what the learning rate does, another optimizer gets no credit for
        base = next((each for each in shown if each.name == YOURS_BEST and np.isfinite(each.losses).all()), yours)
        gaps = {each.name: _gap(each, base, len(found)) for each in ordered if each is not base}
        judged, best = _judge(yours, found, level, scale)
        best = best if best is None or any(each is best for each in shown) else yours
        others = [each for each in ordered if best is not None and each is not best]
        alike = [each.name for each in others if best and _says(_gap(each, best, len(found))) == "not certain"]
        rows = [_row(lab, each, gaps.get(each.name), diverged(ends(each.losses), level, scale)) for each in ordered]
        numbers: dict[str, Any] = {
            "best": best.name if best else None, "alike": alike, "loss_without_learning": float(level.mean()),
            "fault": judged.fault, "loss_yours": float(ends(yours.losses).mean()), "compared_with": base.name,
            "unmoved": _unmoved(lab, yours, found), "rates": {each.name: _rate(lab, each) for each in ordered},
            "losses": {each.name: float(ends(each.losses).mean()) for each in ordered},
            "differences": {name: list(gap) for name, gap in gaps.items()},
            "better": [name for name, gap in gaps.items() if _says(gap) == "better"],
            "worse": [name for name, gap in gaps.items() if _says(gap) == "worse"],
        }  # fmt: skip
        caution = _CAUTION.format(rates=self.rates, steps=self.steps)
        if (yours.losses == yours.losses[:1]).all():
            caution += " Nothing is random here, not even the order of the batches: all seeds agree."
        return Exploration(
            self.name, _answer(lab, judged, yours, base, best, numbers, self.steps), judged.verdict,
            columns=(
                "optimizer", "learning rate", "loss", "low", "high", "difference", "low of it", "high of it", "validation",
                "is",
            ),
            rows=tuple(rows), pictures=(_sweeps(lab, found), _courses(ordered)), numbers=numbers, caution=caution,
        )  # fmt: skip

    def _check(self) -> None:
        problems = []
        if self.steps < 10:
            problems.append(f"steps must be at least 10, got {self.steps}")
        if self.rates < 3:
            problems.append(f"rates must be at least 3, got {self.rates}")
        if self.seeds < 2:
            problems.append(f"seeds must be at least 2 for an interval, got {self.seeds}")
        if self.optimizers is not None and not self.optimizers:
            problems.append('optimizers is empty: name one, {"Adam": optax.adam}')
        if problems:
            raise ValueError("These optimizers can't be compared: " + "; ".join(problems) + ".")


def _gap(one: Race, other: Race, comparisons: int) -> Interval:
    """How much higher one ends, paired by seed; in shares of 1/1000 of the other's loss nothing is told apart."""
    ours, theirs = ends(one.losses), ends(other.losses)
    if not np.isfinite(theirs).all():
        # beside a run that has no number, one that has is better for certain
        way = -np.inf if np.isfinite(ours).all() else np.nan
        return Interval(way, way, way)
    found, least = interval(ours - theirs, max(comparisons, 1)), 1e-3 * abs(float(theirs.mean()))
    return found if not np.isfinite(found.mean) else Interval(found.mean, found.low - least, found.high + least)


def _says(gap: Interval) -> str:
    return "better" if gap.high < 0 else "worse" if gap.low > 0 else "not certain"


def _judge(yours: Race, found: list[Race], level: Numbers, scale: float) -> tuple[Judged, Race | None]:
    """Whether yours is far from the best, and whether that is for its learning rate or for the optimizer."""
    known = [each for each in found if np.isfinite(each.losses).all()]
    if not known:
        return Judged("unknown", "all diverge"), None
    best = min(known, key=lambda each: float(ends(each.losses).mean()))
    own = next((each for each in known if each.name == YOURS_BEST), None)
    if own is None or judge_rate(ends(own.losses), ends(best.losses), level, np.inf, scale).fault:
        judged = judge_rate(ends(yours.losses), ends(best.losses), level, np.inf, scale)
        return Judged(judged.verdict, "optimizer" if judged.fault else ""), best
    # at another rate yours does as well, or nearly so
    judged = judge_rate(ends(yours.losses), ends(own.losses), level, own.rate, scale)
    return Judged(judged.verdict, "learning rate" if judged.fault else ""), best


def _unmoved(lab: Lab, yours: Race, found: list[Race]) -> list[str]:
    """Tensors that your optimizer leaves as they are and another one moves."""
    others = [each.moved for each in found if not each.name.startswith(YOURS)]
    theirs = np.any(others, axis=0) if others else np.zeros(len(yours.moved), bool)
    return [
        path for path, mine, other in zip(lab.objective.paths, yours.moved, theirs, strict=True) if other and not mine
    ]


def _rate(lab: Lab, one: Race) -> float | None:
    """The learning rate itself; None where only a multiple of it is known."""
    if one.known:
        return one.rate
    unit = unit_of(lab)
    return None if unit is RELATIVE else unit.present * one.rate


def _row(lab: Lab, one: Race, gap: Interval | None, bad: Any) -> tuple[Any, ...]:
    loss, rate = interval(ends(one.losses)), _rate(lab, one)
    validation = float(one.validation.mean()) if np.isfinite(one.validation).all() else None
    says = "diverged" if bad.any() else "" if gap is None else _says(gap)
    says += ", best rate at the end of the sweep" if one.at_end else ""
    shown = f"{one.rate:.3g} times yours" if rate is None else rate
    differences = (None, None, None) if gap is None else tuple(gap)
    return (one.name, shown, *loss, *differences, validation, says)


def _answer(
    lab: Lab, judged: Judged, yours: Race, base: Race, best: Race | None, numbers: dict[str, Any], steps: int
) -> str:
    if best is None:
        return "Every optimizer diverges at every learning rate that was tried: see what is wrong with the loss first."
    losses, alike, better = numbers["losses"], numbers["alike"], numbers["better"]
    told = f"After {steps} steps yours comes to a loss of {_loss(losses[YOURS])}"
    told += f", at its best learning rate to {_loss(losses[base.name])}" if base is not yours else ""
    told += f". Lowest is {best.name} with {_loss(losses[best.name])}"
    told += f"; not told apart from it: {', '.join(alike)}." if alike else ", clearly lower than all others."
    if judged.fault == "learning rate":
        told += " It is the learning rate of yours and not the optimizer that is to be changed."
    elif judged.fault:
        told += f" Another optimizer is worth it: {best.name}."
    elif better:
        told += f" Clearly better than yours{' at its best' if base is not yours else ''}: {', '.join(better)}."
    elif base is yours:
        told += " None is clearly better than yours: there is no reason to change."
    else:
        told += " None is clearly better than yours at its best: only the learning rate may be worth a change."
    if numbers["unmoved"]:
        names = ", ".join(numbers["unmoved"][:4]) + (", ..." if len(numbers["unmoved"]) > 4 else "")
        count = f"{len(numbers['unmoved'])} of {len(lab.objective.paths)} parameters"
        told += f" Yours never moves {count} ({names}); the others do."
    return told


def _loss(loss: float) -> str:
    return f"{loss:.3g}" if np.isfinite(loss) else "no finite number"


def _sweeps(lab: Lab, found: list[Race]) -> Plot:
    unit, lines = unit_of(lab), list[Line]()
    for each in found:
        factor = 1.0 if each.known else None if unit is RELATIVE else unit.present
        if factor is not None:
            lines.append(Line(each.name, factor * each.tried, np.where(np.isfinite(each.swept), each.swept, np.nan)))
    shown = np.concatenate([line.y for line in lines]) if lines else np.empty(0)
    positive = bool(np.isfinite(shown).any() and np.nanmin(shown) > 0)
    return Plot("Loss at the end of the sweeps", "learning rate", "loss", tuple(lines), log_x=True, log_y=positive)


def _courses(ordered: list[Race]) -> Plot:
    lines = []
    for each in ordered:
        middle = np.median(np.where(np.isfinite(each.losses), each.losses, np.inf), axis=0)
        middle = np.where(np.isfinite(middle), middle, np.nan)
        lines.append(Line(each.name, np.arange(len(middle)), middle))
    shown = np.concatenate([line.y for line in lines])
    positive = bool(np.isfinite(shown).any() and np.nanmin(shown) > 0)
    return Plot("Loss of each step, median over the seeds", "step", "loss", tuple(lines), log_y=positive)
