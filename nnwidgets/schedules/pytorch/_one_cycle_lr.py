"""A learning rate that goes up once and then far down."""

from __future__ import annotations

import math
from typing import Any

import jax.numpy as jnp
import optax

from .._arguments import between, need, one_of, positive, rate, whole
from .._curves import as_schedule, half_cosine


def one_cycle_lr(
    max_lr: float,
    total_steps: int | None = None,
    epochs: int | None = None,
    steps_per_epoch: int | None = None,
    pct_start: float = 0.3,
    anneal_strategy: str = "cos",
    div_factor: float = 25.0,
    final_div_factor: float = 1e4,
    three_phase: bool = False,
) -> optax.Schedule:
    """From ``max_lr / div_factor`` up to ``max_lr`` and far down, as PyTorch's OneCycleLR.

    The last rate is ``max_lr / (div_factor * final_div_factor)``.

    The rate is highest at step ``pct_start * total_steps - 1`` and lowest at the last step, ``total_steps - 1``. With
    ``three_phase`` it is back at its first value at step ``2 * pct_start * total_steps - 2``. From a to b it goes as
    ``b + (a - b) * (1 + cos(pi * t)) / 2`` or ``a + (b - a) * t``, ``t`` being the share of the phase that has passed. PyTorch
    steps it after every batch: lengths are in optimizer steps. After the last step the rate stays, where PyTorch raises an
    error. The momentum isn't cycled.

    Args:
        max_lr: highest learning rate.
        total_steps: length in steps; None for ``epochs * steps_per_epoch``.
        epochs: length in epochs, where ``total_steps`` is None.
        steps_per_epoch: batches of an epoch, where ``total_steps`` is None.
        pct_start: share of the steps in which the rate rises, from 0 to 1.
        anneal_strategy: ``"cos"`` or ``"linear"``.
        div_factor: how many times lower the first rate is than the highest.
        final_div_factor: how many times lower the last rate is than the first.
        three_phase: whether the way down to the first rate takes as long as the way up.

    Returns:
        Schedule over optimizer steps; float32.

    Example:
        >>> from nnwidgets import schedules
        >>> schedules.preview(schedules.pytorch.one_cycle_lr(0.5, 10, anneal_strategy="linear"), 10).round(2)
        array([0.02, 0.26, 0.5 , 0.43, 0.36, 0.29, 0.21, 0.14, 0.07, 0.  ],
              dtype=float32)

    References:
        Smith & Topin, https://arxiv.org/abs/1708.07120, section 3.
    """
    total = _total(total_steps, epochs, steps_per_epoch)
    need(
        rate("max_lr", max_lr),
        between("pct_start", pct_start, 0, 1, 0.3),
        one_of("anneal_strategy", anneal_strategy, ("cos", "linear")),
        positive("div_factor", div_factor, 25),
        positive("final_div_factor", final_div_factor, 1e4),
    )
    short = (
        f"pct_start * total_steps must not be 1 (a rise of no steps), got pct_start={pct_start:g}: type a larger one"
    )
    need(short if pct_start * total == 1 else "")
    first, last = max_lr / div_factor, max_lr / div_factor / final_div_factor
    ends = [pct_start * total - 1, 2 * pct_start * total - 2, total - 1]
    rates = [first, max_lr, first, last]
    if not three_phase:
        del ends[1], rates[2]
    starts = [0, *ends[:-1]]

    def curve(count: Any) -> Any:
        count = jnp.minimum(count, total - 1)
        phases = zip(starts, ends, rates[:-1], rates[1:], strict=True)
        values = [_between(count, *phase, anneal_strategy) for phase in phases]
        rate = values[-1]
        for end, value in zip(reversed(ends[:-1]), reversed(values[:-1]), strict=True):
            rate = jnp.where(count <= math.floor(end), value, rate)
        return rate

    return as_schedule(curve)


def _total(total_steps: int | None, epochs: int | None, steps_per_epoch: int | None) -> int:
    if total_steps is not None:
        need(whole("total_steps", total_steps))
        return int(total_steps)
    if epochs is None or steps_per_epoch is None:
        raise ValueError(
            f"The length must be given, got total_steps=None, epochs={epochs}, steps_per_epoch={steps_per_epoch}: type "
            "total_steps=1000, or both epochs=10 and steps_per_epoch=100."
        )
    need(whole("epochs", epochs), whole("steps_per_epoch", steps_per_epoch))
    return int(epochs) * int(steps_per_epoch)


def _between(count: Any, start: float, end: float, low: Any, high: Any, strategy: str) -> Any:
    """On the way from one rate to the other; a phase of no length is never asked for."""
    length = (end - start) or 1
    passed, left = _since(count, start) / length, -_since(count, end) / length
    if strategy == "cos":
        passed, left = half_cosine(passed), half_cosine(left)
    return low * left + high * passed


def _since(count: Any, at: float) -> Any:
    """``count - at``; where that is whole, in whole numbers, so that it is exact to the last step."""
    return (count - int(at)).astype(jnp.float32) if float(at).is_integer() else count.astype(jnp.float32) - at
