"""Schedules that every framework has and none has a name for."""

from __future__ import annotations

from typing import Any

import jax.numpy as jnp
import optax

from ._arguments import need, rate, whole
from ._curves import as_schedule, linear


def constant(learning_rate: float) -> optax.Schedule:
    """The same learning rate at every step: `optax.constant_schedule` in float32.

    Example:
        >>> from nnwidgets import schedules
        >>> schedules.preview(schedules.constant(0.1), 3)
        array([0.1, 0.1, 0.1], dtype=float32)
    """
    need(rate("learning_rate", learning_rate))
    return as_schedule(lambda count: learning_rate)


def linear_warmup(schedule: optax.Schedule, warmup_steps: int, begin_lr: float = 0.0) -> optax.Schedule:
    """A straight line from ``begin_lr`` up to ``schedule(0)`` in ``warmup_steps``, then the schedule from its step 0.

    Args:
        schedule: what follows; its length is that of the run less ``warmup_steps``.
        warmup_steps: optimizer steps before it. With small batches of Adam, a common choice is ``2 / (1 - beta2)``: 2,000
            for a ``beta2`` of 0.999 (Ma & Yarats, https://arxiv.org/abs/1910.04209).
        begin_lr: learning rate at step 0.

    Returns:
        Schedule over optimizer steps; float32.

    Example:
        >>> from nnwidgets import schedules
        >>> schedules.preview(schedules.linear_warmup(schedules.constant(0.4), 4), 6)
        array([0. , 0.1, 0.2, 0.3, 0.4, 0.4], dtype=float32)

    References:
        Goyal et al., https://arxiv.org/abs/1706.02677, section 2.2.
    """
    need(rate("begin_lr", begin_lr), whole("warmup_steps", warmup_steps))
    steps = int(warmup_steps)

    def curve(count: Any) -> Any:
        rise = linear(begin_lr, schedule(jnp.zeros_like(count)), count, steps)
        return jnp.where(count < steps, rise, schedule(jnp.maximum(count - steps, 0)))

    return as_schedule(curve)
