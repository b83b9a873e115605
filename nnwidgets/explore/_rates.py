"""The run goes on from one state at many learning rates, in several orders of its batches."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import numpy.typing as npt
import optax

from nnwidgets.objective import Objective
from nnwidgets.train import Saved

from ._lab import Lab
from ._lanes import CHUNK, Lane, in_lanes, orders, stack, trained
from ._side_by_side import last

Numbers = npt.NDArray[np.float64]


class Plan(NamedTuple):
    """How one run differs from the others; the state that they all start from is shared.

    Attributes:
        key: the step's key is this one folded with the step.
        multiplier: of the learning rate: () or one a step (steps,).
        order: which of the batches each step takes, (steps,) int32.
    """

    key: Any
    multiplier: Any
    order: Any


class Shared(NamedTuple):
    """What all runs have in common.

    Attributes:
        params: that they start from.
        state: likewise, or None.
        opt_state: likewise.
        step: number of the first step, () uint32.
        batches: stacked along a new first axis.
        validation: likewise, or None.
    """

    params: Any
    state: Any
    opt_state: Any
    step: Any
    batches: Any
    validation: Any = None


def start_of(lab: Lab, start: str) -> Saved:
    """The state to start from.

    Args:
        lab: the run.
        start: "now", or "first": the first state in reach.

    Raises:
        ValueError: it is neither.
    """
    if start not in ("now", "first"):
        raise ValueError(f'start must be "now" or "first" (the run\'s first state), got {start!r}.')
    return lab.first if start == "first" else Saved(lab.step, lab.params, lab.state, lab.opt_state)


def shared_by(lab: Lab, at: Saved, steps: int) -> Shared:
    """This state and the batches of so many coming steps; fewer where the source has fewer, they then come again."""
    batches = stack(lab.fresh(min(steps, len(lab.batches))))
    return Shared(at.params, at.state, at.opt_state, np.uint32(at.step), batches)


def keys_of(key: jax.Array, count: int) -> jax.Array:
    """The run's own key, then others, (count,)."""
    return jnp.stack([key, *(jax.random.fold_in(key, seed) for seed in range(1, count))])


def plans(lab: Lab, multipliers: Any, seeds: int, steps: int, batches: int) -> Plan:
    """Every multiplier with every seed, the seeds of one multiplier beside each other.

    Args:
        lab: the run.
        multipliers: of the learning rate, (rates,) or (rates, steps).
        seeds: orders of the batches with keys of their own; the first is the run's.
        steps: of each run.
        batches: that the lab has; `shared_by` takes no more than one a step.

    Returns:
        of ``rates * seeds`` runs.
    """
    multipliers = np.asarray(multipliers, np.float32)
    count = len(multipliers)
    return Plan(
        jnp.tile(keys_of(lab.key, seeds), count),
        np.repeat(multipliers, seeds, axis=0),
        np.tile(orders(seeds, steps, min(steps, batches)), (count, 1)),
    )


def run_plans(
    function: Callable[[Plan, Shared], Any], lab: Lab, made: Plan, shared: Shared, what: str, *, seeds: int,
    chunk: int = CHUNK,
) -> Any:  # fmt: skip
    """What a function of one run gives for all of them, (rates, seeds, ...); fewer rates where it was stopped.

    Args:
        function: (plan, shared) -> result; the same object again is not compiled again.
        lab: hears of the progress.
        made: by `plans`.
        shared: by `shared_by`.
        what: the runs are, in words.
        seeds: as `plans` had them.
        chunk: runs a call, at most.
    """
    state = (shared.params, shared.state, shared.opt_state)
    size = sum(leaf.nbytes for leaf in jax.tree.leaves(state) if hasattr(leaf, "nbytes"))
    found = in_lanes(function, made, shared, lab, what, chunk=min(chunk, lab.room(4 * size)))
    return jax.tree.map(
        lambda leaf: leaf[: len(leaf) // seeds * seeds].reshape(-1, seeds, *leaf.shape[1:]) if len(leaf) >= seeds else
        # a single rate that was begun
        leaf[None], found
    )  # fmt: skip


@lru_cache(maxsize=64)
def losses_of(objective: Objective, tx: optax.GradientTransformation) -> Callable[[Plan, Shared], jax.Array]:
    """(plan, shared) -> the loss before each step, (steps,) float32."""

    def run(plan: Plan, shared: Shared) -> jax.Array:
        return begin(objective, tx, plan, shared)[0]

    return run


def begin(objective: Objective, tx: optax.GradientTransformation, plan: Plan, shared: Shared) -> tuple[Any, Lane]:
    """Train by one plan: the loss before each step, and where it ends."""
    lane = Lane(
        shared.params, shared.state, shared.opt_state, plan.key, plan.multiplier, plan.order, shared.step
    )  # fmt: skip
    return trained(objective, tx)(lane, shared.batches)


def ends(losses: Any) -> Numbers:
    """The mean loss of the last tenth of the steps, (...); infinite where any step's was not finite.

    Example:
        >>> ends(np.array([[3.0, 1.0], [3.0, np.nan]])).tolist()
        [1.0, inf]
    """
    losses = np.asarray(losses, np.float64)
    return np.where(np.isfinite(losses).all(axis=-1), last(losses), np.inf)
