"""Whether a schedule's length is the run's."""

from __future__ import annotations

import numpy as np
import optax

from ._arguments import need, whole
from ._misfit import Horizon, misfit
from ._preview import sample

# How far beyond the run it is looked, in runs.
_BEYOND = 1000
# How many steps are looked at in the run, how many near its beginning, and how many beyond it.
_POINTS, _EARLY, _FAR = 20_000, 2000, 4000


def horizon(schedule: optax.Schedule, steps: int, steps_per_epoch: int | None = None) -> Horizon:
    """Measure where a schedule ends, and tell where that isn't where the run ends.

    It is told when the learning rate

    - is below a thousandth of its peak for more than a fifth of the run, or stays at less than a tenth for more than half;
    - would only end after 1.25 times the run: the run stops before the decay has done its work;
    - still rises after half of the run;
    - is high at the run's end although it had been low: the run ends within a cycle;
    - is 0 throughout, negative or not finite.

    Args:
        schedule: function from the step to the learning rate.
        steps: length of the run in optimizer steps (fewer than the batches, where gradients are accumulated).
        steps_per_epoch: of the run, to recognise a length that was counted in epochs; None if not known.

    Returns:
        What was found. Runs of up to 20,000 steps are looked at step by step, longer ones at as many steps, and what lies
        beyond, up to 1,000 times the run, at steps a fraction of a per cent apart.

    Example:
        >>> import optax
        >>> from nnwidgets import schedules
        >>> found = schedules.horizon(optax.cosine_decay_schedule(0.1, decay_steps=10), steps=1000, steps_per_epoch=100)
        >>> found.ends, found.fits
        (10, False)
        >>> print(found.words)
        The learning rate is gone after 10 of 1,000 steps. 10 looks like epochs: give the schedule 10 x 100 = 1,000 steps.
    """
    need(whole("steps", steps), "" if steps_per_epoch is None else whole("steps_per_epoch", steps_per_epoch))
    steps = int(steps)
    counts = _counts(steps)
    rates = sample(schedule, counts).astype(np.float64)
    # a line through zero misses it by a rounding error
    wrong = ~np.isfinite(rates) | (rates < -1e-6 * np.abs(rates[np.isfinite(rates)]).max(initial=0.0))
    # beyond the run it may grow out of range, as that of a range test does
    usable = counts < max(counts[wrong].min(initial=counts[-1] + 1), steps)
    counts, rates, wrong = counts[usable], rates[usable], wrong[usable]
    found = _measured(counts, np.nan_to_num(rates, posinf=0.0, neginf=0.0), steps)
    return misfit(found, counts, rates, wrong, steps_per_epoch)


def _measured(counts: np.ndarray, rates: np.ndarray, steps: int) -> Horizon:
    inside = rates[counts < steps]
    peak = _peak(counts, rates, steps)
    return Horizon(
        steps=steps,
        first=float(inside[0]),
        last=float(inside[-1]),
        peak=peak,
        peak_step=int(counts[np.argmax(rates >= 0.99 * peak)]),
        ends=_ends(counts, rates, peak),
    )


def _counts(steps: int) -> np.ndarray:
    """Steps of the run, all of them or evenly spaced, more at its beginning, and ever fewer beyond its end."""
    inside = np.linspace(0, steps - 1, min(steps, _POINTS)).astype(np.int64)
    early = np.arange(min(steps, _EARLY))
    furthest = min(steps * _BEYOND, 2**31 - 2)
    beyond = np.geomspace(steps, max(furthest, steps + 1), _FAR).astype(np.int64)
    return np.unique(np.concatenate([early, inside, beyond]))


def _peak(counts: np.ndarray, rates: np.ndarray, steps: int) -> float:
    """The highest rate; that of the run, if it still rises at the furthest step."""
    growing = counts[-1] > steps and rates[-1] == rates.max() and rates[-1] > rates[counts <= counts[-1] // 2].max()
    return float(rates[counts < steps].max() if growing else rates.max())


def _ends(counts: np.ndarray, rates: np.ndarray, peak: float) -> int | None:
    """The first step of the level part, if it is as long as all before it, and was not come to ever more slowly."""
    final = rates[-1]
    moving = np.flatnonzero(np.abs(rates - final) > 1e-6 * peak)
    if not moving.size:
        return 0
    end = counts[min(moving[-1] + 1, len(counts) - 1)]
    halfway = np.abs(rates[counts <= end // 2][-1] - final)
    # an exponential that has come to a millionth was at a thousandth halfway; a line, a cosine or a stair far above
    return int(end) if end <= counts[-1] // 2 and halfway > 0.01 * np.abs(rates - final).max() else None
