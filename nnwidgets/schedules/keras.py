"""The schedules of ``keras.optimizers.schedules``, which are also those of ``tf.keras.optimizers.schedules``.

Names and arguments are Keras's, in lower case; all lengths are in optimizer steps (batches), counted from 0.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import jax.numpy as jnp
import optax

from ._arguments import between, need, positive, rate, rising, whole
from ._curves import as_schedule, half_cosine, left, linear, periods, piece, polynomial, power
from ._reduce_lr_on_plateau import reduce_lr_on_plateau as reduce_lr_on_plateau
from ._restarts import restarts


def exponential_decay(
    initial_learning_rate: float, decay_steps: float, decay_rate: float, staircase: bool = False
) -> optax.Schedule:
    """``initial_learning_rate * decay_rate ** (step / decay_steps)``, as Keras's ExponentialDecay.

    Args:
        initial_learning_rate: at step 0.
        decay_steps: steps in which the rate changes by the factor ``decay_rate`` once.
        decay_rate: that factor, above 0.
        staircase: whether ``step / decay_steps`` is rounded down, so that the rate changes at every ``decay_steps``-th step.

    Returns:
        Schedule over optimizer steps; float32.

    Example:
        >>> from nnwidgets import schedules
        >>> schedules.preview(schedules.keras.exponential_decay(0.1, 2, 0.5, staircase=True), 5)
        array([0.1  , 0.1  , 0.05 , 0.05 , 0.025], dtype=float32)
    """
    need(
        rate("initial_learning_rate", initial_learning_rate),
        positive("decay_steps", decay_steps, 1000),
        positive("decay_rate", decay_rate, 0.96),
    )
    return as_schedule(lambda count: initial_learning_rate * power(decay_rate, periods(count, decay_steps, staircase)))


def piecewise_constant_decay(boundaries: Sequence[int], values: Sequence[float]) -> optax.Schedule:
    """``values[i]`` from the step after ``boundaries[i - 1]`` to ``boundaries[i]``, as Keras's PiecewiseConstantDecay.

    A boundary still has the value before it, other than in PyTorch's MultiStepLR.

    Args:
        boundaries: steps that rise, (n,).
        values: learning rates, (n + 1,).

    Returns:
        Schedule over optimizer steps; float32.

    Example:
        >>> from nnwidgets import schedules
        >>> schedules.preview(schedules.keras.piecewise_constant_decay([2], [0.1, 0.01]), 5)
        array([0.1 , 0.1 , 0.1 , 0.01, 0.01], dtype=float32)
    """
    wrong = rising("boundaries", boundaries)
    many = (
        ""
        if wrong
        else f"values must have one more entry than boundaries, got {len(values)} and {len(boundaries)}: "
        + ("type one learning rate for each interval, that before the first boundary included")
    )
    rates = [rate(f"values[{i}]", value) for i, value in enumerate(values)]
    need(wrong or (many if len(values) != len(boundaries) + 1 else ""), *rates)
    return as_schedule(lambda count: piece(count, boundaries, values, closed=True))


def polynomial_decay(
    initial_learning_rate: float,
    decay_steps: int,
    end_learning_rate: float = 0.0001,
    power: float = 1.0,
    cycle: bool = False,
) -> optax.Schedule:
    """``(initial - end) * (1 - step / decay_steps) ** power + end``, then ``end``, as Keras's PolynomialDecay.

    Linear with ``power=1``.

    Args:
        initial_learning_rate: at step 0.
        decay_steps: steps until ``end_learning_rate`` is reached.
        end_learning_rate: afterwards.
        power: 1 for a straight line; larger falls faster at first.
        cycle: whether, after the end, the decay goes on from a higher rate: with ``decay_steps`` times the smallest whole
            number, at least 1, for which it isn't over.

    Returns:
        Schedule over optimizer steps; float32.

    Example:
        >>> from nnwidgets import schedules
        >>> schedules.preview(schedules.keras.polynomial_decay(0.5, 4, end_learning_rate=0.1), 6)
        array([0.5, 0.4, 0.3, 0.2, 0.1, 0.1], dtype=float32)
    """
    need(
        rate("initial_learning_rate", initial_learning_rate),
        rate("end_learning_rate", end_learning_rate),
        whole("decay_steps", decay_steps),
        between("power", power, 0, float("inf"), 1),
    )
    steps = int(decay_steps)

    def curve(count: Any) -> Any:
        if not cycle:
            return polynomial(initial_learning_rate, end_learning_rate, left(count, steps), power)
        # a product of integers could leave their range: what is left of the last decay, in decays
        begun = jnp.maximum(-(-count // steps), 1).astype(jnp.float32)
        share = jnp.where(count == 0, 1.0, (-count % steps).astype(jnp.float32) / steps)
        return polynomial(initial_learning_rate, end_learning_rate, share / begun, power)

    return as_schedule(curve)


def inverse_time_decay(
    initial_learning_rate: float, decay_steps: float, decay_rate: float, staircase: bool = False
) -> optax.Schedule:
    """``initial_learning_rate / (1 + decay_rate * step / decay_steps)``, the 1/t decay, as Keras's InverseTimeDecay.

    Args:
        initial_learning_rate: at step 0.
        decay_steps: how many steps make one unit of time.
        decay_rate: per unit of time; at ``decay_steps / decay_rate`` steps the rate is half of the first. At least 0.
        staircase: whether ``step / decay_steps`` is rounded down.

    Returns:
        Schedule over optimizer steps; float32. It never ends.

    Example:
        >>> from nnwidgets import schedules
        >>> schedules.preview(schedules.keras.inverse_time_decay(1.0, 1, 1.0), 4)
        array([1.        , 0.5       , 0.33333334, 0.25      ], dtype=float32)
    """
    need(
        rate("initial_learning_rate", initial_learning_rate),
        positive("decay_steps", decay_steps, 1000),
        between("decay_rate", decay_rate, 0, float("inf"), 0.5),
    )
    return as_schedule(lambda count: initial_learning_rate / (1 + decay_rate * periods(count, decay_steps, staircase)))


def cosine_decay(
    initial_learning_rate: float,
    decay_steps: int,
    alpha: float = 0.0,
    warmup_target: float | None = None,
    warmup_steps: int = 0,
) -> optax.Schedule:
    """``peak * ((1 - alpha) * (1 + cos(pi * t / decay_steps)) / 2 + alpha)``, as Keras's CosineDecay.

    Without ``warmup_target``, ``peak`` is the initial rate, and ``t`` the step. With it, the rate first rises in a straight
    line from the initial one to ``peak = warmup_target`` in ``warmup_steps``, and ``t`` counts from there: the schedule
    ends at ``warmup_steps + decay_steps`` (in Optax's ``warmup_cosine_decay_schedule``, at ``decay_steps``).

    Args:
        initial_learning_rate: at step 0.
        decay_steps: length of the decay in steps, without the warm-up.
        alpha: last rate as a share of the peak.
        warmup_target: rate at the end of the warm-up; None for no warm-up, whatever ``warmup_steps`` says.
        warmup_steps: length of the warm-up in steps.

    Returns:
        Schedule over optimizer steps; float32.

    Example:
        >>> from nnwidgets import schedules
        >>> schedules.preview(schedules.keras.cosine_decay(0.0, 4, warmup_target=0.4, warmup_steps=2), 7).round(3)
        array([0.   , 0.2  , 0.4  , 0.341, 0.2  , 0.059, 0.   ], dtype=float32)

    References:
        Loshchilov & Hutter, SGDR, https://arxiv.org/abs/1608.03983, equation 5; warm-up: Goyal et al.,
        https://arxiv.org/abs/1706.02677, section 2.2.
    """
    need(
        rate("initial_learning_rate", initial_learning_rate),
        "" if warmup_target is None else rate("warmup_target", warmup_target),
        whole("decay_steps", decay_steps),
        whole("warmup_steps", warmup_steps, at_least=0),
    )
    warmup = int(warmup_steps) if warmup_target is not None else 0
    peak = initial_learning_rate if warmup_target is None else warmup_target

    def curve(count: Any) -> Any:
        decay = polynomial(peak, peak * alpha, half_cosine(left(count - warmup, int(decay_steps))), 1)
        rise = linear(initial_learning_rate, peak, count, max(warmup, 1))
        return jnp.where(count < warmup, rise, decay)

    return as_schedule(curve)


def cosine_decay_restarts(
    initial_learning_rate: float, first_decay_steps: int, t_mul: float = 2.0, m_mul: float = 1.0, alpha: float = 0.0
) -> optax.Schedule:
    """``initial * ((1 - alpha) * m_mul ** i * (1 + cos(pi * t)) / 2 + alpha)``, as Keras's CosineDecayRestarts.

    ``i`` is the number of the period, from 0, and ``t`` the share of it that has passed. Period i has
    ``first_decay_steps * t_mul ** i`` steps.

    Args:
        initial_learning_rate: at step 0.
        first_decay_steps: length of period 0 in steps.
        t_mul: how many times longer each period is than the one before: 1, or from 1.001 to 1,000.
        m_mul: how many times higher each period begins, above 0; 1 for always as high.
        alpha: lowest rate as a share of the initial one.

    Returns:
        Schedule over optimizer steps; float32. It never ends.

    Example:
        >>> from nnwidgets import schedules
        >>> schedules.preview(schedules.keras.cosine_decay_restarts(0.4, 2, m_mul=0.5), 7).round(3)
        array([0.4  , 0.2  , 0.2  , 0.171, 0.1  , 0.029, 0.1  ], dtype=float32)

    References:
        Loshchilov & Hutter, SGDR, https://arxiv.org/abs/1608.03983, section 3.
    """
    need(
        rate("initial_learning_rate", initial_learning_rate),
        whole("first_decay_steps", first_decay_steps),
        # nearer to 1, the periods up to the largest count are too many to lay out
        "" if t_mul == 1 else between("t_mul", t_mul, 1.001, 1000, 2),
        positive("m_mul", m_mul, 1),
    )
    period = restarts(int(first_decay_steps), t_mul)

    def curve(count: Any) -> Any:
        index, share = period(count)
        height = power(m_mul, index.astype(jnp.float32))
        return initial_learning_rate * ((1 - alpha) * height * half_cosine(share) + alpha)

    return as_schedule(curve)
