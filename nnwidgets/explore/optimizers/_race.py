"""One optimizer against the loss: its best learning rate by a sweep, then runs at that over several seeds."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax

from nnwidgets.objective import Objective
from nnwidgets.train import Saved

from .._lab import Lab
from .._lanes import CHUNK, orders, stack
from .._rates import Numbers, Plan, Shared, begin, ends, keys_of, run_plans, shared_by
from ._contenders import Contender

# Between neighbouring rates; seeds of a sweep; how often it may go on beyond an end.
RATIO, SWEEP_SEEDS, EXTENSIONS = 10**0.5, 2, 2


class Race(NamedTuple):
    """How an optimizer did.

    Attributes:
        name: of the optimizer.
        rate: its best learning rate; a multiple of the present one where that is not known.
        known: whether the rate is one.
        tried: learning rates of the sweep, ascending (rates,).
        swept: loss at the end of each, mean over the seeds of the sweep (rates,).
        at_end: whether the best is at an end of the sweep all the same.
        losses: of each step at the best rate (seeds, steps).
        validation: loss in evaluation after it (seeds,); NaN without validation batches.
        moved: whether each tensor of the parameters has changed (tensors,).
    """

    name: str
    rate: float
    known: bool
    tried: Numbers
    swept: Numbers
    at_end: bool
    losses: Numbers
    validation: Numbers
    moved: Any


class Track(NamedTuple):
    """Where all optimizers start, and on what.

    Attributes:
        at: the state; of the optimizer's nothing is taken.
        shared: batches, also to validate on.
        batches: how many those to train on are.
        steps: of each run.
        seeds: runs at the best rate.
    """

    at: Saved
    shared: Shared
    batches: int
    steps: int
    seeds: int


def track_of(lab: Lab, at: Saved, steps: int, seeds: int) -> Track:
    """The same for all optimizers."""
    shared = shared_by(lab, at, steps)
    shared = shared._replace(validation=stack(lab.validation) if lab.validation else None)
    return Track(at, shared, min(steps, len(lab.batches)), steps, seeds)


def race(lab: Lab, track: Track, contender: Contender, rates: int) -> Race | None:
    """Sweep, take the best rate, and run at it with other seeds, so that the choice does not flatter it; None if stopped."""
    middle = np.arange(rates) - rates // 2
    exponents, swept = middle, _sweep(lab, track, contender, middle)
    for _ in range(EXTENSIONS):
        if swept is None or lab.cut:
            return None
        best = int(np.argmin(swept))
        if 0 < best < len(swept) - 1:
            break
        more = exponents[0] - rates + np.arange(rates) if best == 0 else exponents[-1] + 1 + np.arange(rates)
        found = _sweep(lab, track, contender, more)
        if found is None:
            return None
        parts = ((more, exponents), (found, swept)) if best == 0 else ((exponents, more), (swept, found))
        exponents, swept = (np.concatenate(part) for part in parts)
    if swept is None or lab.cut:
        return None
    best = int(np.argmin(swept))
    factors = RATIO**exponents
    rate = contender.rate or 1.0
    run = at_rate(lab, track, contender, float(factors[best]))
    if run is None:
        return None
    at_end = best in (0, len(swept) - 1)
    return run._replace(tried=rate * factors, swept=swept, at_end=at_end)


def at_rate(lab: Lab, track: Track, contender: Contender, factor: float) -> Race | None:
    """Runs at one rate, a multiple of the contender's; None if stopped."""
    seeds = np.arange(SWEEP_SEEDS, SWEEP_SEEDS + track.seeds)
    found = _run(lab, track, contender, np.array([factor]), seeds, f"runs with {contender.name}")
    if found is None:
        return None
    losses, validation, moved = found
    rate = (contender.rate or 1.0) * factor
    nothing = np.empty(0)
    return Race(
        contender.name, rate, contender.rate is not None, nothing, nothing, False, np.asarray(losses[0], np.float64),
        np.asarray(validation[0], np.float64), np.asarray(moved[0]).any(axis=0),
    )  # fmt: skip


def _sweep(lab: Lab, track: Track, contender: Contender, exponents: Any) -> Numbers | None:
    what = f"learning rates of {contender.name}"
    found = _run(lab, track, contender, RATIO**exponents, np.arange(SWEEP_SEEDS), what)
    return None if found is None else ends(found[0]).mean(axis=1)


def _run(lab: Lab, track: Track, contender: Contender, factors: Numbers, seeds: Any, what: str) -> Any:
    count = len(factors)
    made = Plan(
        jnp.tile(keys_of(lab.key, int(seeds[-1]) + 1)[seeds], count),
        np.repeat(lab.multiplier * factors if contender.rate is None else factors, len(seeds)).astype(np.float32),
        np.tile(orders(int(seeds[-1]) + 1, track.steps, track.batches)[seeds], (count, 1)),
    )
    shared = track.shared._replace(opt_state=contender.tx.init(track.at.params))
    function = course(lab.objective, contender.tx)
    # one size of a call for the sweep and the runs: one program
    found = run_plans(function, lab, made, shared, what, seeds=len(seeds), chunk=min(CHUNK, track.seeds))
    return found if len(found[0]) == count and not lab.cut else None


@lru_cache(maxsize=64)
def course(objective: Objective, tx: optax.GradientTransformation) -> Callable[[Plan, Shared], Any]:
    """(plan, shared) -> (loss before each step (steps,), loss in validation (), which tensors have moved (tensors,))."""

    def run(plan: Plan, shared: Shared) -> Any:
        losses, lane = begin(objective, tx, plan, shared)
        pairs = zip(jax.tree.leaves(lane.params), jax.tree.leaves(shared.params), strict=True)
        moved = jnp.stack([jnp.any(after != before) for after, before in pairs])
        if shared.validation is None:
            return losses, jnp.float32(jnp.nan), moved

        def evaluate(batch: Any) -> jax.Array:
            return objective(lane.params, lane.state, batch, plan.key, False)[0].astype(jnp.float32)

        return losses, jnp.mean(jax.lax.map(evaluate, shared.validation)), moved

    return run
