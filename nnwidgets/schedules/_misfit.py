"""What does not fit between a schedule and the run: the first trouble, in words."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

# Below a thousandth of the peak, updates change nothing that matters: the lint rule of the same fault has the same share.
_GONE = 1e-3
# Share of the run after whose loss a schedule has ended too early. One that fits spends little below a thousandth of its peak:
# a cosine 2 %, a parabola 3 %, the power 4, 18 %.
_IDLE = 0.2
# Or it stays for more than half of the run below a tenth of the peak: the last stair of a staircase is rarely that long.
_FLOOR, _LEVEL = 0.1, 0.5
# A cosine laid out for 1.25 times the run or more ends at a higher loss (Hoffmann et al., arXiv:2203.15556, appendix B); at the
# end of such a run a cosine has 9.5 % of its range left.
_LONGER, _LEFT = 1.25, 0.09
# One-cycle schedules rise over 30 to 45 % of the run by design (arXiv:1803.09820), warm-ups over 1 to 10 %.
_RISE = 0.5


@dataclass(frozen=True)
class Horizon:
    """Where a schedule begins, peaks and ends, in steps, and what doesn't fit the run.

    Attributes:
        steps: length of the run.
        first: learning rate at step 0.
        last: learning rate at the run's last step, ``steps - 1``.
        peak: highest learning rate, also beyond the run; that of the run where the schedule rises for ever.
        peak_step: first step at which it is within 1 % of its peak.
        ends: first step from which it stays the same, to a millionth of the peak; None for a schedule that never ends, such
            as 1/t, an exponential or a cycle.
        trouble: the first thing that does not fit: "broken", "peaks late", "ends early", "ends late", "within a cycle", or "".
        words: the same with its numbers and what to do; empty if it fits.
    """

    steps: int
    first: float
    last: float
    peak: float
    peak_step: int
    ends: int | None
    trouble: str = ""
    words: str = ""

    @property
    def fits(self) -> bool:
        """Whether there is nothing to say against it."""
        return not self.trouble


def misfit(
    found: Horizon, counts: np.ndarray, rates: np.ndarray, wrong: np.ndarray, steps_per_epoch: int | None
) -> Horizon:
    """The same with the first trouble of those that `horizon` lists, and what to do; empty if there is none.

    Args:
        found: what was measured.
        counts: steps that were looked at, also beyond the run, (n,).
        rates: learning rates there, (n,).
        wrong: whether they are negative or not finite, (n,).
        steps_per_epoch: of the run; None if not known.
    """
    inside = rates[counts < found.steps]
    checks = {
        "broken": lambda: _broken(counts, rates, wrong),
        "peaks late": lambda: _rising(found),
        "ends early": lambda: _early(found, counts, inside, steps_per_epoch),
        "ends late": lambda: _late(found, float(rates[-1])),
        "within a cycle": lambda: _within_a_cycle(found, counts, inside),
    }
    # each check relies on those before it
    told = ((trouble, words) for trouble, check in checks.items() if (words := check()))
    trouble, words = next(told, ("", ""))
    return replace(found, trouble=trouble, words=words)


def _broken(counts: np.ndarray, rates: np.ndarray, wrong: np.ndarray) -> str:
    if wrong.any():
        at = int(np.argmax(wrong))
        kind = "negative, so that the loss is climbed," if np.isfinite(rates[at]) else "not finite"
        return f"The learning rate is {kind} from step {counts[at]:,} on ({rates[at]:.3g}). Look at the schedule's arguments."
    if not rates.any():
        return "The learning rate is 0 at every step: nothing is learnt. Give the schedule a peak above 0."
    return ""


def _rising(found: Horizon) -> str:
    if found.peak_step <= _RISE * found.steps or found.peak_step == 0:
        return ""
    when = f"only at step {found.peak_step:,} of {found.steps:,}"
    if found.peak_step >= found.steps:
        when = f"at about step {found.peak_step:,}, after the run's {found.steps:,}"
    return (
        f"The learning rate comes to its peak {when}; at the run's end it is at {_share(found.last, found.peak)} of it. "
        f"Give the warm-up a tenth of the run: {max(found.steps // 10, 1):,} steps."
    )


def _early(found: Horizon, counts: np.ndarray, inside: np.ndarray, steps_per_epoch: int | None) -> str:
    alive = np.flatnonzero(inside > 1.001 * _GONE * found.peak)
    steps, ends = found.steps, found.ends
    gone = int(counts[alive[-1] + 1]) if alive.size and alive[-1] + 1 < len(inside) else steps
    if steps - gone > _IDLE * steps:
        after = gone if ends is None else min(ends, 2 * gone)
        told = f"The learning rate is gone after {after:,} of {steps:,} steps."
    elif ends is not None and steps - ends > _LEVEL * steps and found.last < _FLOOR * found.peak:
        after = ends
        told = (
            f"The schedule is over after {after:,} of {steps:,} steps; from there on the learning rate is at "
            f"{_share(found.last, found.peak)} of its peak."
        )
    else:
        return ""
    return f"{told} {_stretch(after, steps, steps_per_epoch)}"


def _stretch(after: int, steps: int, steps_per_epoch: int | None) -> str:
    """What to do about a schedule that is over too early."""
    if steps_per_epoch is not None and 0.5 < after * steps_per_epoch / steps < 2:
        product = after * steps_per_epoch
        return f"{after:,} looks like epochs: give the schedule {after:,} x {steps_per_epoch:,} = {product:,} steps."
    if after <= steps / 10:
        return f"Is {after:,} a number of epochs? The schedule counts optimizer steps: epochs times batches per epoch."
    return f"Give the schedule the run's {steps:,} optimizer steps."


def _late(found: Horizon, final: float) -> str:
    if found.ends is None or found.ends <= _LONGER * found.steps or found.peak <= final:
        return ""
    left = (found.last - final) / (found.peak - final)
    if left < _LEFT:
        return ""
    begun = "has only begun to fall" if left > 0.5 else "has not fallen to its end"
    return (
        f"The schedule ends at about step {found.ends:,}, the run at {found.steps:,}: the learning rate {begun} and is "
        f"still at {_share(found.last, found.peak)} of its peak. Give the schedule the run's {found.steps:,} optimizer steps, "
        "or train longer."
    )


def _within_a_cycle(found: Horizon, counts: np.ndarray, inside: np.ndarray) -> str:
    since = inside[counts[: len(inside)] >= found.peak_step]
    low = since.min(initial=found.peak)
    # half of the way up again, and a low that was one
    if low > 0.5 * found.peak or found.last < low + 0.5 * (found.peak - low):
        return ""
    at = int(counts[len(inside) - 1 - np.argmin(inside[::-1])])
    return (
        f"The run ends within a cycle, at {_share(found.last, found.peak)} of the peak; the learning rate was lowest at step "
        f"{at:,} ({low:.3g}), and parameters are best there. End the run there, or give the cycles lengths that end with it."
    )


def _share(rate: float, peak: float) -> str:
    return f"{rate / peak:.2g}" if rate < 0.01 * peak else f"{rate / peak:.0%}".replace("%", " %")
