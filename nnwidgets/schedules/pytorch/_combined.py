"""Schedules made of schedules."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import jax.numpy as jnp
import optax

from .._arguments import need, rate, rising, whole
from .._curves import as_schedule


def sequential_lr(
    schedulers: Sequence[optax.Schedule], milestones: Sequence[int], steps_per_epoch: int = 1
) -> optax.Schedule:
    """One schedule after the other, each counted from its own beginning, as PyTorch's SequentialLR.

    It is `optax.join_schedules` with PyTorch's arguments. Give the schedules the same ``steps_per_epoch`` as this.

    Args:
        schedulers: schedules, (n,).
        milestones: epochs at which the next one takes over, rising, (n - 1,); a milestone is the epoch 0 of the next.
        steps_per_epoch: optimizer steps between two calls of PyTorch's ``scheduler.step()``.

    Returns:
        Schedule over optimizer steps; float32.

    Example:
        >>> from nnwidgets import schedules
        >>> warm_up = schedules.pytorch.linear_lr(0.4, 0.25, total_iters=3)
        >>> decay = schedules.pytorch.exponential_lr(0.4, gamma=0.5)
        >>> schedules.preview(schedules.pytorch.sequential_lr([warm_up, decay], [3]), 6)
        array([0.1, 0.2, 0.3, 0.4, 0.2, 0.1], dtype=float32)
    """
    many = (
        f"schedulers must be one more than milestones, got {len(schedulers)} and {len(milestones)}: type a milestone for "
        "each change from one to the next"
    )
    need(
        many if len(schedulers) != len(milestones) + 1 else "",
        rising("milestones", milestones, at_least=1),
        whole("steps_per_epoch", steps_per_epoch),
    )
    boundaries = [int(milestone) * int(steps_per_epoch) for milestone in milestones]
    return as_schedule(optax.join_schedules(schedulers, boundaries))


def chained_scheduler(lr: float, schedulers: Sequence[optax.Schedule]) -> optax.Schedule:
    """``lr`` times all the schedules' factors, as PyTorch's ChainedScheduler.

    Make each schedule with a learning rate of 1, so that it gives its factor. In PyTorch the schedulers change the same
    learning rate one after the other; with those that only multiply, that is their product. It isn't with an ``eta_min`` above
    0.

    Args:
        lr: learning rate that is multiplied.
        schedulers: schedules, each made with ``lr=1.0``.

    Returns:
        Schedule over optimizer steps; float32.

    Example:
        >>> from nnwidgets import schedules
        >>> low = schedules.pytorch.constant_lr(1.0, 0.5, total_iters=2)
        >>> decay = schedules.pytorch.exponential_lr(1.0, gamma=0.5)
        >>> schedules.preview(schedules.pytorch.chained_scheduler(0.8, [low, decay]), 4)
        array([0.4, 0.2, 0.2, 0.1], dtype=float32)
    """
    need(
        rate("lr", lr),
        ""
        if len(schedulers)
        else "schedulers must hold at least one schedule, got none: type [exponential_lr(1.0, 0.9)]",
    )

    def curve(count: Any) -> Any:
        return lr * math.prod((jnp.asarray(each(count), jnp.float32) for each in schedulers), start=1.0)

    return as_schedule(curve)
