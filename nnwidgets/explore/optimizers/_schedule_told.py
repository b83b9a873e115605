"""What was found about a schedule, in words and pictures."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import optax

from nnwidgets.records import Exploration, Guide, Line, Plot
from nnwidgets.schedules import Horizon, preview

from .._lab import Lab
from .._paired import Interval, interval
from .._rates import ends
from .._side_by_side import told_change
from ..learning_rate._rate_verdict import diverged
from ._shown_schedule import Shown

Numbers = npt.NDArray[np.float64]
# Points of the picture.
_POINTS = 600
_DIVERGES = ("", "With the schedule the loss diverges.", "The loss diverges both ways.")
_FAULTS = ("broken", "peaks late", "ends early")
_CAUTION = (
    "The comparison is of {updates} updates from the present state{squeezed}, by the loss of training: it tells about the shape"
    " and the height of the rates here. On a long run a decay gains more than this, and a warm-up matters at the beginning."
)


class Plan(NamedTuple):
    """A schedule and the run that it is for.

    Attributes:
        schedule: learning rate by the count of updates.
        own: whether it is the one that the optimizer has.
        shown: what the optimizer shows, times the multiplier in force.
        highest: the highest rate that it shows, without the multiplier.
        length: of the run in updates; None where that is not known.
        found: what the schedule does over this length, or over what is known to be run.
    """

    schedule: optax.Schedule
    own: bool
    shown: Shown
    highest: float
    length: int | None
    found: Horizon


class Trial(NamedTuple):
    """What is compared.

    Attributes:
        name: of the schedule.
        rates: of each update with it (updates,).
        constant: rate without it.
        squeezed: updates of the schedule for one of these.
    """

    name: str
    rates: Any
    constant: float
    squeezed: float


def told_schedule(name: str, lab: Lab, plan: Plan, trial: Trial, losses: Numbers) -> Exploration:
    """The answer, from the losses with the schedule and with the constant rate (2, seeds, steps)."""
    after = ends(losses)
    with np.errstate(invalid="ignore"):
        gap = interval(after[0] - after[1]) if len(after) == 2 else None
    trouble = plan.found.trouble
    still = losses[:, :, 0]
    both = [bool(np.any(each)) for each in diverged(after, still, abs(float(still.mean())))]
    diverges = len(after) == 2 and both[0]
    verdict = "wrong" if trouble in _FAULTS or diverges else "suspicious" if trouble else "ok"
    squeezed = f", {trial.squeezed:.3g} of the schedule's squeezed into one" if trial.squeezed > 1 else ""
    return Exploration(
        name,
        " ".join(
            filter(
                None, [_about(plan), plan.found.words, _compared(trial, after, gap), _DIVERGES[sum(both)] * diverges]
            )
        ),
        verdict,
        columns=("", "loss at the end", "lowest", "highest"),
        rows=tuple(
            (way, float(found.mean()), float(found.min()), float(found.max()))
            for way, found in zip(_ways(trial), after, strict=False)
        ),
        pictures=(_preview(plan), _losses(trial, losses)),
        numbers={**_measured(plan, trial, after, gap), "diverged": diverges},
        caution=_CAUTION.format(updates=len(trial.rates), squeezed=squeezed),
    )


def _ways(trial: Trial) -> tuple[str, str]:
    return trial.name, f"constant {trial.constant:.3g}"


def _about(plan: Plan) -> str:
    found, shown = plan.found, plan.shown
    unit = "" if shown.known else " (as a share of its highest)"
    period = (
        f" There is one update every {shown.period} steps, and schedules count updates." if shown.period > 1 else ""
    )
    if plan.own and shown.is_constant:
        return f"The learning rate is constant, {found.first:.3g}{unit}.{period}"
    where = f"of {plan.length:,}" if plan.length else "so far"
    end = "it never ends" if found.ends is None else f"it ends at {found.ends:,}"
    return (
        f"The learning rate{unit} begins at {found.first:.3g} and comes to its highest, {found.peak:.3g}, at about update "
        f"{found.peak_step:,}; {end}. The run is at update {shown.now:,} {where}.{period}"
    )


def _compared(trial: Trial, after: Numbers, gap: Interval | None) -> str:
    if gap is None:
        return "It was stopped before the comparison."
    with_it, without = (f"{each.mean():.3g}" if np.isfinite(each).all() else "no finite number" for each in after)
    way = f"with {trial.name}, {without} at a constant {trial.constant:.3g}"
    start = f"After {len(trial.rates)} updates the loss is {with_it} {way}"
    if not np.isfinite(gap.mean):
        return f"{start}."
    seen = "lower" if gap.high < 0 else "higher" if gap.low > 0 else ""
    return f"{start}: {told_change(gap)}, {seen or 'no difference is seen'}{' with it' if seen else ''}."


def _preview(plan: Plan) -> Plot:
    found, now = plan.found, plan.shown.now
    reach = max(plan.length or 0, now + 1, min(found.ends or 0, 2 * max(plan.length or now + 1, found.steps)))
    last = max(int(1.1 * reach), 2)
    every = max(1, last // _POINTS)
    counts = np.arange(0, last, every)
    guides = [Guide(now, "the run is here")]
    guides += [Guide(plan.length, "the run ends")] if plan.length else []
    guides += [Guide(found.ends, "the schedule ends")] if found.ends and found.ends <= last else []
    unit = "learning rate" if plan.shown.known else "learning rate, share of the highest"
    line = Line("schedule", counts, preview(plan.schedule, last)[::every][: len(counts)])
    return Plot("Learning rate by update", "update", unit, (line,), tuple(guides))


def _losses(trial: Trial, losses: Numbers) -> Plot:
    # a loss that is not finite is a gap
    shown = np.where(np.isfinite(losses), losses, np.nan)
    steps = np.arange(shown.shape[-1])
    lines = tuple(
        Line(way, steps, each.mean(0), low=each.min(0), high=each.max(0))
        for way, each in zip(_ways(trial), shown, strict=False)
    )
    return Plot("Loss with the schedule and without", "step from now", "loss", lines)


def _measured(plan: Plan, trial: Trial, after: Numbers, gap: Interval | None) -> dict[str, Any]:
    found, shown = plan.found, plan.shown
    numbers: dict[str, Any] = {
        "now": shown.now, "updates_of_the_run": plan.length, "steps_per_update": shown.period, "trouble": found.trouble,
        "first": found.first, "peak": found.peak, "peak_at": found.peak_step, "ends": found.ends, "last": found.last,
        "present": float(shown.schedule(shown.now)), "constant": trial.constant, "squeezed": trial.squeezed,
        "rates": np.asarray(trial.rates, np.float64).tolist(),
    }  # fmt: skip
    if gap is not None:
        numbers |= {"loss_with": after[0].tolist(), "loss_without": after[1].tolist()}
        numbers |= {"difference": gap.mean, "difference_low": gap.low, "difference_high": gap.high}
    return numbers
