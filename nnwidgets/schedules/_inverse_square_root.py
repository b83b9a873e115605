"""Decay with the inverse square root of the step, after a warm-up: the schedule of the first Transformers."""

from __future__ import annotations

from typing import Any

import jax.numpy as jnp
import optax

from ._arguments import need, rate, whole
from ._curves import as_schedule, linear


def inverse_square_root(peak_lr: float, warmup_steps: int = 4000, warmup_init_lr: float = 0.0) -> optax.Schedule:
    """``peak_lr * sqrt(warmup_steps / step)``, after a straight line from ``warmup_init_lr`` up to ``peak_lr``.

    As fairseq's ``inverse_sqrt`` (PyTorch) and, with ``peak_lr = (d_model * warmup_steps) ** -0.5``, as `noam`.

    Args:
        peak_lr: highest learning rate, at step ``warmup_steps``.
        warmup_steps: optimizer steps of the warm-up.
        warmup_init_lr: learning rate at step 0.

    Returns:
        Schedule over optimizer steps; float32. It never ends.

    Example:
        >>> from nnwidgets import schedules
        >>> schedules.preview(schedules.inverse_square_root(0.4, warmup_steps=2), 9).round(3)
        array([0.   , 0.2  , 0.4  , 0.327, 0.283, 0.253, 0.231, 0.214, 0.2  ],
              dtype=float32)

    References:
        Vaswani et al., https://arxiv.org/abs/1706.03762, section 5.3.
    """
    need(rate("peak_lr", peak_lr), rate("warmup_init_lr", warmup_init_lr), whole("warmup_steps", warmup_steps))
    warmup = int(warmup_steps)

    def curve(count: Any) -> Any:
        rise = linear(warmup_init_lr, peak_lr, count, warmup)
        share = warmup / jnp.maximum(count, warmup).astype(jnp.float32)
        return jnp.where(count < warmup, rise, peak_lr * jnp.sqrt(share))

    return as_schedule(curve)


def noam(d_model: int, warmup_steps: int = 4000, factor: float = 1.0, first_step: int = 1) -> optax.Schedule:
    """``factor * d_model ** -0.5 * min(step ** -0.5, step * warmup_steps ** -1.5)``, that of "Attention Is All You Need".

    Args:
        d_model: width of the model.
        warmup_steps: optimizer steps in which it rises.
        factor: multiplies all of it.
        first_step: what Optax's count 0 is called: 1 as in the paper, or 0 as in TensorFlow's tutorial, where the first step
            has a learning rate of 0.

    Returns:
        Schedule over optimizer steps; float32. Its peak is ``factor / sqrt(d_model * warmup_steps)``; it never ends.

    Example:
        >>> from nnwidgets import schedules
        >>> schedules.preview(schedules.noam(d_model=100, warmup_steps=4), 6).round(4)
        array([0.0125, 0.025 , 0.0375, 0.05  , 0.0447, 0.0408], dtype=float32)

    References:
        Vaswani et al., https://arxiv.org/abs/1706.03762, equation 3.
    """
    need(whole("d_model", d_model), whole("warmup_steps", warmup_steps), whole("first_step", first_step, at_least=0))
    schedule = inverse_square_root(factor * (d_model * warmup_steps) ** -0.5, warmup_steps)
    return as_schedule(lambda count: schedule(count + int(first_step)))
