"""Where trainings ended: their losses on the same batches, and how sharply the loss is curved there."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from nnwidgets.objective import Objective

from ..curvature._box_maximum import box_maximum
from ..curvature._hessian import spectrum
from ..curvature._several_batches import mean_loss, mean_over

_ITERATIONS, _BOX_STEPS = 20, 6


class End(NamedTuple):
    """The end of a training.

    Attributes:
        params: the parameters.
        state: the model's state, or None.
        key: for random numbers.
    """

    params: Any
    state: Any
    key: jax.Array


class Seen(NamedTuple):
    """What is seen there, in evaluation.

    Attributes:
        train: the mean loss on training batches.
        validation: on validation batches; NaN where there are none.
        top: the largest eigenvalue of the Hessian, on training batches.
        keskar: the rise of the loss in the box of Keskar et al., in percent of 1 + loss, likewise.
    """

    train: jax.Array
    validation: jax.Array
    top: jax.Array
    keskar: jax.Array


class Data(NamedTuple):
    """Batches, each stacked along a first axis.

    Attributes:
        train: to look at the loss.
        sharp: to look at its curvature.
        validation: or None.
        settle: to bring running statistics up to date, or None.
    """

    train: Any
    sharp: Any
    validation: Any
    settle: Any


@lru_cache(maxsize=32)
def look_at_end(objective: Objective, epsilon: float) -> Callable[[End, Data], Seen]:
    """The function that looks at one end; pure, for `in_lanes`.

    The model's state is first brought up to date by passes in training mode without updates: running statistics lag, and the
    more so the fewer steps a training had.

    Args:
        objective: the loss.
        epsilon: relative size of the box.
    """

    def look(end: End, data: Data) -> Seen:
        params, state = end.params, _settled(objective, end, data.settle)
        loss = mean_loss(objective, state, data.sharp, end.key)
        found = spectrum(
            lambda vector: loss.product(params, vector), params, end.key, iterations=_ITERATIONS, tolerance=1e-2
        )
        box = box_maximum(
            loss.value, loss.gradient, params, end.key,
            epsilon=epsilon, starts=1, steps=_BOX_STEPS, direction=found.vector,
        )  # fmt: skip

        def plain(batch: Any) -> jax.Array:
            return objective(params, state, batch, end.key, False)[0].astype(jnp.float32)

        nothing = jnp.float32(jnp.nan)
        validation = nothing if data.validation is None else mean_over(data.validation, plain)
        return Seen(mean_over(data.train, plain), validation, found.values[0], box.percent)

    return look


def _settled(objective: Objective, end: End, batches: Any) -> Any:
    if batches is None:
        return end.state

    def step(state: Any, batch: Any) -> Any:
        return objective(end.params, state, batch, end.key, True)[1][0], None

    return jax.lax.scan(step, end.state, batches)[0]
