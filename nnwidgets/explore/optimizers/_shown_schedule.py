"""The learning-rate schedule inside an optimizer that is opaque, from the sizes of its updates."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import numpy.typing as npt
import optax

from nnwidgets.lint import accumulates, at_count, at_counts, find_nodes, has_fields, is_schedule
from nnwidgets.lint._trials import LONGEST_PERIOD

from .._rate import learning_rate_of

Numbers = npt.NDArray[np.float64]


class Shown(NamedTuple):
    """What an optimizer shows of its schedule.

    Attributes:
        counts: updates made before, ascending (n,).
        rates: learning rate of the update after them (n,).
        now: updates made so far.
        period: calls of the optimizer for one update; more than 1 where gradients are accumulated.
        known: whether these are learning rates; else they are in units of the highest one.
    """

    counts: npt.NDArray[np.int64]
    rates: Numbers
    now: int
    period: int
    known: bool

    @property
    def is_constant(self) -> bool:
        """Whether the rate is the same wherever it was looked at, to 0.1 %."""
        return bool(np.ptp(self.rates) <= 1e-3 * np.max(self.rates))

    def schedule(self, count: Any) -> Any:
        """The same as a function of the count, with straight lines in between; can be traced."""
        return jnp.interp(jnp.asarray(count, jnp.float32), jnp.asarray(self.counts, jnp.float32), self.rates)


def shown_schedule(
    tx: optax.GradientTransformation, params: Any, opt_state: Any, step: int, counts: npt.NDArray[np.int64]
) -> Shown | None:
    """Look at the learning rate at other counts of updates; None where the optimizer can't be called with gradients alone.

    Each time a fresh state is set to the count, and given the same small gradients. ``optax.inject_hyperparams`` states the
    rate; else it is proportional to the size of the update, and `learning_rate_of` gives the scale.

    Args:
        tx: the optimizer.
        params: the parameters; the schedule is read on leaves of one entry each.
        opt_state: its state now.
        step: calls of the optimizer so far, for those that count no updates.
        counts: where to look, ascending (n,).
    """
    zeros = jax.tree.map(lambda leaf: jnp.zeros((1,) * jnp.ndim(leaf), jnp.result_type(leaf)), params)
    try:
        sizes, stated, calls = (np.asarray(each) for each in _looking(tx)(zeros, jnp.asarray(counts, jnp.int32)))
    except (TypeError, KeyError, AttributeError, ValueError):
        # such as a line search, which needs the loss as a function, or one that wants leaves of a certain shape
        return None
    sizes = sizes.astype(np.float64)
    if not np.isfinite(sizes).all() or not sizes.any():
        return None
    period = int(calls[sizes > 0].min())
    # a learning rate of 0 looks like gradients that are held back, until the next update
    sizes = np.where(calls > period, 0.0, sizes)
    nodes = find_nodes(opt_state, is_schedule)
    now = max((int(node.count) for node in nodes), default=step // period)
    if np.isfinite(stated).all():
        return Shown(counts, stated.astype(np.float64), now, period, True)
    highest = int(np.argmax(sizes))
    there = at_count(opt_state, int(counts[highest]))
    scale = learning_rate_of(tx, params, there)
    return Shown(counts, sizes / sizes[highest] * (scale or 1.0), now, period, bool(scale))


@lru_cache(maxsize=32)
def _looking(tx: optax.GradientTransformation) -> Callable[[Any, Any], Any]:
    """(params of zeros, counts) -> size of the update at each, the learning rate that is stated or NaN, calls."""
    transformation = optax.with_extra_args_support(tx)

    def call(state: Any, zeros: Any) -> tuple[jax.Array, Any]:
        grads = jax.tree.map(lambda leaf: leaf + jnp.asarray(1e-3, leaf.dtype), zeros)
        updates, state = transformation.update(grads, state, zeros, value=jnp.zeros(()))
        return jnp.max(
            jnp.stack([jnp.max(jnp.abs(leaf)).astype(jnp.float32) for leaf in jax.tree.leaves(updates)])
        ), state

    @jax.jit
    def look(zeros: Any, counts: jax.Array) -> Any:
        fresh = tx.init(zeros)
        most = LONGEST_PERIOD if find_nodes(fresh, accumulates) else 1

        def one(count: jax.Array) -> tuple[jax.Array, jax.Array, jax.Array]:
            state = jax.tree.map(jnp.asarray, at_count(fresh, count))
            size, state = call(state, zeros)

            def waits(carried: Any) -> jax.Array:
                size, _, calls = carried
                return (size == 0) & (calls < most)

            def again(carried: Any) -> Any:
                _, state, calls = carried
                return *call(state, zeros), calls + 1

            size, state, calls = jax.lax.while_loop(waits, again, (size, state, jnp.int32(1)))
            return size, _stated(state), calls

        return jax.lax.map(one, counts)

    return look


def _stated(state: Any) -> jax.Array:
    nodes = find_nodes(state, has_fields("hyperparams"))
    found = [node.hyperparams["learning_rate"] for node in nodes if "learning_rate" in node.hyperparams]
    return jnp.asarray(found[0] if found else jnp.nan, jnp.float32)


@lru_cache(maxsize=32)
def held(tx: optax.GradientTransformation) -> optax.GradientTransformation:
    """The same optimizer with its schedules standing still: updates don't move their counts; moments count on."""
    transformation = optax.with_extra_args_support(tx)

    def update(updates: Any, state: Any, params: Any = None, **more: Any) -> tuple[Any, Any]:
        updates, after = transformation.update(updates, state, params, **more)
        return updates, at_counts(after, state)

    return optax.GradientTransformationExtraArgs(tx.init, update)
