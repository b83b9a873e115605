"""Several ways of training from one state, with the same batches and keys."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import numpy.typing as npt
import optax

from ._lab import Lab
from ._lanes import Lane, in_lanes, orders, stack, stacked, trained
from ._paired import Interval

Array = npt.NDArray[np.float64]


class Way(NamedTuple):
    """One way of training.

    Attributes:
        objective: the loss that is trained.
        tx: the optimizer, of the run's state.
    """

    objective: Any
    tx: optax.GradientTransformation


class Trained(NamedTuple):
    """How one way went.

    Attributes:
        losses: of each step, of what was trained (keys, steps).
        lanes: where it came to, one lane a key.
    """

    losses: Array
    lanes: Lane


def side_by_side(lab: Lab, ways: Mapping[str, Way], steps: int, keys: int) -> dict[str, Trained]:
    """Train each way from the present state; the same key takes the same batches in the same order, whatever the way.

    With the first key the batches come as they do in the run. Fewer ways come back where the lab was stopped.
    """
    batches = lab.fresh(min(steps, len(lab.batches)))
    shared, found = stacked(batches), dict[str, Trained]()
    lanes = stack([_lane(lab, k, steps, len(batches)) for k in range(keys)])
    for name in lab.each(list(ways), "ways of training"):
        # the steps are numbered from 0, so that another call at another step is not compiled again
        way = ways[name]
        losses, after = in_lanes(trained(way.objective, way.tx), lanes, shared, lab, f"keys, {name}")
        found[name] = Trained(np.asarray(losses, np.float64), after)
    return found


def _lane(lab: Lab, k: int, steps: int, count: int) -> Lane:
    return Lane(
        lab.params, lab.state, lab.opt_state, jax.random.fold_in(lab.key, np.uint32(lab.step + k + 1)),
        jnp.asarray(lab.multiplier, jnp.float32), orders(k + 1, steps, count)[k],
    )  # fmt: skip


def evaluated(lab: Lab, objective: Any, lanes: Lane, batches: Sequence[Any]) -> Array:
    """The loss in evaluation without its declared penalty, mean over some batches of one shape (keys,)."""
    return np.asarray(in_lanes(_evaluation(objective), lanes, stack(batches), lab, "evaluations"), np.float64)


@lru_cache(maxsize=8)
def _evaluation(objective: Any) -> Callable[[Lane, Any], jax.Array]:
    def evaluate(lane: Lane, batches: Any) -> jax.Array:
        def loss(batch: Any) -> jax.Array:
            value, (_, aux) = objective(lane.params, lane.state, batch, lane.key, False)
            return (value - aux.get("penalty", 0.0)).astype(jnp.float32)

        return jnp.mean(jax.lax.map(loss, batches))

    return evaluate


def to_validate(lab: Lab, most: int = 8) -> tuple[list[Any], str]:
    """Batches of one shape to take the loss in evaluation of, and what they are."""
    held = lab.validation[:most]
    return (held, "validation") if held else (lab.fresh(min(most, len(lab.batches))), "the training batches")


def last(losses: Array) -> Array:
    """The mean of the last tenth of the steps (...,); not finite where one of these is not."""
    return losses[..., -max(1, losses.shape[-1] // 10) :].mean(-1)


def told_change(change: Interval) -> str:
    """A difference with its interval.

    Example:
        >>> told_change(Interval(-0.5, -0.75, -0.25))
        '-0.5 (95 % interval -0.75 to -0.25)'
    """
    return f"{change.mean:+.3g} (95 % interval {change.low:+.3g} to {change.high:+.3g})"
