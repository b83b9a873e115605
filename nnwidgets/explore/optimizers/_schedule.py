"""A learning-rate schedule: what it gives, whether it fits the run, and what it does to the loss."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np
import numpy.typing as npt
import optax

from nnwidgets.lint import at_count
from nnwidgets.records import Cost, Exploration
from nnwidgets.schedules import horizon, keras, preview

from .._lab import Lab
from .._rates import losses_of, plans, run_plans, shared_by, start_of
from ._schedule_told import Plan, Trial, told_schedule
from ._shown_schedule import held, shown_schedule

Numbers = npt.NDArray[np.float64]
# Updates that a schedule is expected to last where nobody says how long the run is, as in the lint rule of the same fault.
_SHORT = 200
# Below this share of the optimizer's highest rate the present one is none to compare with: the schedule's peak is.
_NOTHING = 1e-3


@dataclass(frozen=True)
class Schedule:
    """Does the learning-rate schedule fit the run, and is it better than the present rate held constant?

    The schedule's rates are sampled to the end of the run and beyond. It is told where the schedule ends long before the run or
    has hardly begun to fall by then, rises for most of it, or is high at its end after having been low: see
    `nnwidgets.schedules.horizon`. Then copies of the run go on from its present state for some updates: some with what is left
    of the schedule, squeezed into so many updates where it is longer, others with a constant rate. That is the present one, or
    the schedule's peak where the present one is under a thousandth of the optimizer's highest. Both have the same batches and
    keys.

    Attributes:
        schedule: an Optax schedule over updates, counted from the beginning of the run, as `nnwidgets.schedules` has them; None
            for the one that the run's optimizer shows. Where that is constant, a cosine decay to 0 is compared.
        steps: length of the whole run in steps; None if not known: then only what is over too early is told.
        updates: to train in the comparison.
        seeds: repeats with other keys and orders of the batches; the first has the run's own.
    """

    schedule: optax.Schedule | None = None
    steps: int | None = None
    updates: int = 60
    seeds: int = 3

    name: ClassVar[str] = "schedule"

    def cost(self, lab: Lab) -> Cost:
        """Two ways for each key, and a program that looks at the optimizer."""
        return lab.cost(2 * self.seeds * self.updates, 3)

    def run(self, lab: Lab) -> Exploration:
        """Look at the schedule, then train with it and without."""
        self._check()
        plan = self._plan(lab)
        if isinstance(plan, str):
            return Exploration(self.name, plan, "unknown")
        trial = self._trial(plan)
        return told_schedule(self.name, lab, plan, trial, self._trained(lab, plan, trial))

    def _check(self) -> None:
        problems = []
        if self.schedule is not None and not callable(self.schedule):
            problems.append(
                f"schedule must be a function of the step, got {self.schedule!r}: type schedules.constant(...)"
            )
        for name, least in (("steps", 1), ("updates", 2), ("seeds", 1)):
            value = getattr(self, name)
            if value is not None and value < least:
                problems.append(f"{name} must be at least {least}, got {value}")
        if problems:
            raise ValueError("This can't be tried: " + "; ".join(problems) + ".")

    def _plan(self, lab: Lab) -> Plan | str:
        reach = max(self.steps or 0, lab.step + self.updates, _SHORT)
        shown = shown_schedule(lab.tx, lab.params, lab.opt_state, lab.step, _counts(reach))
        if shown is None:
            return (
                "The optimizer does not show its learning rate: it needs more than gradients, or gradients do nothing."
            )
        if self.schedule is not None and not shown.known:
            return "The optimizer's own learning rate can't be told, so it can't be exchanged for that of the schedule."
        if shown.is_constant:
            shown = shown._replace(now=lab.step // shown.period)
        mine = shown._replace(rates=lab.multiplier * shown.rates)
        schedule = mine.schedule if self.schedule is None else self.schedule
        length = None if self.steps is None else max(1, self.steps // shown.period)
        found = horizon(schedule, length or max(shown.now + 1, _SHORT))
        if length is None and found.trouble not in ("broken", "ends early"):
            # the run may go on for longer
            found = replace(found, trouble="", words="")
        if length is None and found.trouble:
            found = replace(found, words=f"In a run of {found.steps:,} updates or more: {found.words}")
        return Plan(schedule, self.schedule is None, mine, float(np.max(shown.rates)), length, found)

    def _trial(self, plan: Plan) -> Trial:
        shown, now = plan.shown, plan.shown.now
        present = float(shown.schedule(now))
        constant = present if present > _NOTHING * np.max(shown.rates) else plan.found.peak
        if plan.own and shown.is_constant:
            decay = keras.cosine_decay(present, self.updates)
            return Trial("a cosine decay to 0", preview(decay, self.updates), constant, 1.0)
        end = plan.length or max(plan.found.ends or 0, now + self.updates)
        left = end - now if end > now else self.updates
        updates = min(left, self.updates)
        ahead = np.arange(updates) * left // updates
        rates = preview(plan.schedule, int(ahead[-1]) + 1, now)[ahead]
        return Trial("the schedule", rates, constant, left / updates)

    def _trained(self, lab: Lab, plan: Plan, trial: Trial) -> Numbers:
        """The loss before each step, with the schedule and without (2, seeds, steps); fewer where it was stopped."""
        shown, at = plan.shown, start_of(lab, "now")
        # the optimizer's own schedule stands still, where it is highest, and multipliers make the rates
        at = replace(at, opt_state=at_count(at.opt_state, int(shown.counts[np.argmax(shown.rates)])))
        both = np.stack([trial.rates, np.full(len(trial.rates), trial.constant)]) / plan.highest
        steps = len(trial.rates) * shown.period
        made = plans(lab, np.repeat(both, shown.period, axis=1), self.seeds, steps, len(lab.batches))
        losses = losses_of(lab.objective, held(lab.tx))
        found = run_plans(losses, lab, made, shared_by(lab, at, steps), "runs", seeds=self.seeds)
        return np.asarray(found, np.float64)


def _counts(reach: int) -> npt.NDArray[np.int64]:
    """Where to look at the optimizer: each of the first updates, evenly to the end, and ever fewer beyond."""
    furthest = min(1000 * reach, 2**31 - 2)
    parts = (np.arange(min(reach, _SHORT)), np.linspace(0, reach, 300), np.geomspace(max(reach, 1), furthest, 60))
    return np.unique(np.concatenate(parts).astype(np.int64))
