"""A learning rate that goes up and down between two bounds."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax.numpy as jnp
import optax

from .._arguments import need, one_of, positive, rate, whole
from .._curves import as_schedule, power


def cyclic_lr(
    base_lr: float,
    max_lr: float,
    step_size_up: int = 2000,
    step_size_down: int | None = None,
    mode: str = "triangular",
    gamma: float = 1.0,
    scale_fn: Callable[[Any], Any] | None = None,
    scale_mode: str = "cycle",
) -> optax.Schedule:
    """``base_lr + (max_lr - base_lr) * h * s``: up in a straight line and down again, as PyTorch's CyclicLR.

    ``h`` goes from 0 to 1 in ``step_size_up`` steps and back to 0 in ``step_size_down``. ``s`` is 1 (``"triangular"``),
    ``0.5 ** cycle`` with cycles counted from 0 (``"triangular2"``) or ``gamma ** step`` (``"exp_range"``). PyTorch steps it
    after every batch: lengths are in optimizer steps. The momentum isn't cycled.

    Args:
        base_lr: lowest learning rate, at step 0.
        max_lr: highest one, at step ``step_size_up``.
        step_size_up: steps up.
        step_size_down: steps down; None for as many.
        mode: how the height of the cycles changes.
        gamma: factor of the height from each step to the next in ``"exp_range"``, above 0.
        scale_fn: ``s`` of your own, in place of ``mode``; it is traced.
        scale_mode: what ``scale_fn`` gets: ``"cycle"``, counted from 1, or ``"iterations"``, the step.

    Returns:
        Schedule over optimizer steps; float32. It never ends.

    Example:
        >>> from nnwidgets import schedules
        >>> schedules.preview(schedules.pytorch.cyclic_lr(0.0, 0.4, 2, mode="triangular2"), 8).round(3)
        array([0. , 0.2, 0.4, 0.2, 0. , 0.1, 0.2, 0.1], dtype=float32)

    References:
        Smith, https://arxiv.org/abs/1506.01186, section 3.1.
    """
    need(
        rate("base_lr", base_lr),
        rate("max_lr", max_lr),
        whole("step_size_up", step_size_up),
        whole("step_size_down", step_size_down) if step_size_down is not None else "",
        one_of("mode", mode, ("triangular", "triangular2", "exp_range")) if scale_fn is None else "",
        one_of("scale_mode", scale_mode, ("cycle", "iterations")),
        positive("gamma", gamma, 0.999),
    )
    up = int(step_size_up)
    down = up if step_size_down is None else int(step_size_down)

    def curve(count: Any) -> Any:
        cycle, position = count // (up + down), count % (up + down)
        rise, fall = position.astype(jnp.float32) / up, (up + down - position).astype(jnp.float32) / down
        height = jnp.where(position <= up, rise, fall)
        return base_lr + (max_lr - base_lr) * height * scale(cycle, count)

    def scale(cycle: Any, count: Any) -> Any:
        if scale_fn is not None:
            return scale_fn(cycle + 1 if scale_mode == "cycle" else count)
        if mode == "triangular2":
            return power(0.5, cycle.astype(jnp.float32))
        return power(gamma, count.astype(jnp.float32)) if mode == "exp_range" else 1.0

    return as_schedule(curve)
