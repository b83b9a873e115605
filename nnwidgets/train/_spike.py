"""Looks into a loss spike: the steps before it are made again, and its batch is looked at example by example."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import numpy.typing as npt
import optax

from nnwidgets.objective import Objective
from nnwidgets.probes import leaf_norms
from nnwidgets.records import Spike

from ._past import Past
from ._timeline import Timeline

# Steps before the spike that are made again.
WINDOW = 12
# So many times the usual norm is growth.
GROWN = 3.0


def find_spike(losses: Sequence[float]) -> int | None:
    """The step whose loss is furthest above those before it, in units of their spread; None if none is above them."""
    values = np.array(losses, np.float64)
    found = [spreads(values, k) for k in range(3, len(values))]
    return 3 + int(np.argmax(found)) if found and max(found) > 0 else None


def spreads(losses: npt.NDArray[np.float64], step: int) -> float:
    """By how many times the spread of the `WINDOW` losses before it a step's loss is above the usual one; 0 of the first."""
    before = losses[max(0, step - WINDOW) : step]
    before = before[np.isfinite(before)]
    if not len(before):
        return 0.0
    usual = float(np.median(before))
    # of a longer time: that of a dozen values is now and then far too small
    longer = losses[max(0, step - 5 * WINDOW) : step]
    jumps = np.abs(np.diff(longer[np.isfinite(longer)]))
    spread = max(
        1.4826 * float(np.median(np.abs(before - usual))),
        float(np.median(jumps, keepdims=True).max(initial=0.0)),
        1e-2 * abs(usual),
        1e-12,
    )
    return float((losses[step] - usual) / spread) if np.isfinite(losses[step]) else float("inf")


def look_into(
    step: int,
    objective: Objective,
    past: Past,
    timeline: Timeline,
    key: jax.Array,
    told: Callable[[str], None],
) -> Spike:
    """Make the steps before it again, with the norm of each tensor's gradient, and take its batch apart."""
    first = max(step if timeline.first is None else timeline.first, step - WINDOW)
    if first > step:
        raise ValueError(f"step {step} is out of reach: the first saved state is that of step {first}.")
    at, norms = past.state_at(first, told), []
    while True:
        batch, made = past.again(at)
        norms.append(_norms(made.grads))
        if at.step == step:
            break
        at = made.after
    grown = np.array([np.asarray(each) for each in norms])
    usual = np.median(grown[: max(1, len(grown) // 2)], axis=0)
    with np.errstate(invalid="ignore"):
        growth = (grown / np.maximum(usual, 1e-30)).astype(np.float32)
    large = ~(growth <= GROWN)
    when = int(large.any(axis=1).argmax()) if large.any() else None
    where = None if when is None else int(np.nan_to_num(growth[when], nan=np.inf).argmax())
    before = timeline.losses[first:step]
    return Spike(
        step,
        float(np.asarray(made.loss)),
        float(np.median(before)) if before else float("nan"),
        np.arange(first, step + 1),
        objective.paths,
        growth,
        None if where is None else objective.paths[where],
        None if when is None else first + when,
        _examples(objective, at, batch, jax.random.fold_in(key, np.uint32(step))),
        spreads(np.array(timeline.losses, np.float64), step),
    )


_norms = jax.jit(leaf_norms)


def _examples(objective: Objective, at: Any, batch: Any, rng: jax.Array) -> np.ndarray | None:
    """Loss and gradient norm of each example by itself (2, examples), or None."""
    leaves = jax.tree.leaves(batch)
    if len({jnp.shape(leaf)[:1] for leaf in leaves}) != 1 or not jnp.ndim(leaves[0]):
        return None

    def every(params: Any, state: Any, batch: Any) -> Any:
        def one(example: Any) -> Any:
            alone = jax.tree.map(lambda leaf: leaf[None], example)
            loss, grads = jax.value_and_grad(lambda params: objective(params, state, alone, rng, True)[0])(params)
            return jnp.stack([loss.astype(jnp.float32), optax.tree.norm(grads).astype(jnp.float32)])

        return jax.lax.map(one, batch, batch_size=16)

    given = at.params, at.state, jax.tree.map(jnp.asarray, batch)
    try:
        jax.eval_shape(every, *given)
    except Exception:  # whatever a loss raises that wants its whole batch
        return None
    return np.asarray(jax.jit(every)(*given)).T
