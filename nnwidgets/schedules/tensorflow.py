"""The decays of ``tf.compat.v1.train``, under their names and arguments, without ``global_step``.

They are called with the step, counted from 0, as Optax does. Most have the formula of the class of the same name in
``tf.keras.optimizers.schedules`` (see `nnwidgets.schedules.keras`); two exist only here. ``noisy_linear_cosine_decay`` is
left out: it is random, and no table can be equal to it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import jax.numpy as jnp
import optax

from . import keras
from ._arguments import between, need, positive, rate, whole
from ._curves import as_schedule, left, periods


def exponential_decay(
    learning_rate: float, decay_steps: float, decay_rate: float, staircase: bool = False
) -> optax.Schedule:
    """``learning_rate * decay_rate ** (step / decay_steps)``, as ``tf.compat.v1.train.exponential_decay``.

    Args:
        learning_rate: at step 0.
        decay_steps: steps in which the rate changes by the factor ``decay_rate`` once.
        decay_rate: that factor, above 0.
        staircase: whether ``step / decay_steps`` is rounded down.

    Returns:
        Schedule over optimizer steps; float32.

    Example:
        >>> from nnwidgets import schedules
        >>> schedules.preview(schedules.tensorflow.exponential_decay(0.4, 1, 0.5), 3)
        array([0.4, 0.2, 0.1], dtype=float32)
    """
    need(rate("learning_rate", learning_rate))
    return keras.exponential_decay(learning_rate, decay_steps, decay_rate, staircase)


def natural_exp_decay(
    learning_rate: float, decay_steps: float, decay_rate: float, staircase: bool = False
) -> optax.Schedule:
    """``learning_rate * exp(-decay_rate * step / decay_steps)``, as ``tf.compat.v1.train.natural_exp_decay``.

    Args:
        learning_rate: at step 0.
        decay_steps: how many steps make one unit of time.
        decay_rate: per unit of time, at least 0.
        staircase: whether ``step / decay_steps`` is rounded down.

    Returns:
        Schedule over optimizer steps; float32.

    Example:
        >>> from nnwidgets import schedules
        >>> schedules.preview(schedules.tensorflow.natural_exp_decay(1.0, 1, 0.5), 3).round(3)
        array([1.   , 0.607, 0.368], dtype=float32)
    """
    need(
        rate("learning_rate", learning_rate),
        positive("decay_steps", decay_steps, 1000),
        between("decay_rate", decay_rate, 0, float("inf"), 0.5),
    )
    return as_schedule(lambda count: learning_rate * jnp.exp(-decay_rate * periods(count, decay_steps, staircase)))


def piecewise_constant(boundaries: Sequence[int], values: Sequence[float]) -> optax.Schedule:
    """``values[i]`` from the step after ``boundaries[i - 1]`` to ``boundaries[i]``.

    As ``tf.compat.v1.train.piecewise_constant``.

    Args:
        boundaries: steps that rise, (n,); a boundary still has the value before it.
        values: learning rates, (n + 1,).

    Returns:
        Schedule over optimizer steps; float32.

    Example:
        >>> from nnwidgets import schedules
        >>> schedules.preview(schedules.tensorflow.piecewise_constant([1, 2], [0.4, 0.2, 0.1]), 4)
        array([0.4, 0.4, 0.2, 0.1], dtype=float32)
    """
    return keras.piecewise_constant_decay(boundaries, values)


def polynomial_decay(
    learning_rate: float,
    decay_steps: int,
    end_learning_rate: float = 0.0001,
    power: float = 1.0,
    cycle: bool = False,
) -> optax.Schedule:
    """``(learning_rate - end) * (1 - step / decay_steps) ** power + end``, as ``tf.compat.v1.train.polynomial_decay``.

    Args:
        learning_rate: at step 0.
        decay_steps: steps until ``end_learning_rate`` is reached.
        end_learning_rate: afterwards.
        power: 1 for a straight line.
        cycle: whether, after the end, the decay goes on over the next multiple of ``decay_steps``.

    Returns:
        Schedule over optimizer steps; float32.

    Example:
        >>> from nnwidgets import schedules
        >>> schedules.preview(schedules.tensorflow.polynomial_decay(0.4, 2, 0.0, cycle=True), 5)
        array([0.4, 0.2, 0. , 0.1, 0. ], dtype=float32)
    """
    need(rate("learning_rate", learning_rate), rate("end_learning_rate", end_learning_rate))
    return keras.polynomial_decay(learning_rate, decay_steps, end_learning_rate, power, cycle)


def inverse_time_decay(
    learning_rate: float, decay_steps: float, decay_rate: float, staircase: bool = False
) -> optax.Schedule:
    """``learning_rate / (1 + decay_rate * step / decay_steps)``, as ``tf.compat.v1.train.inverse_time_decay``.

    Args:
        learning_rate: at step 0.
        decay_steps: how many steps make one unit of time.
        decay_rate: per unit of time, at least 0.
        staircase: whether ``step / decay_steps`` is rounded down.

    Returns:
        Schedule over optimizer steps; float32.

    Example:
        >>> from nnwidgets import schedules
        >>> schedules.preview(schedules.tensorflow.inverse_time_decay(0.4, 1, 1.0), 2)
        array([0.4, 0.2], dtype=float32)
    """
    need(rate("learning_rate", learning_rate))
    return keras.inverse_time_decay(learning_rate, decay_steps, decay_rate, staircase)


def cosine_decay(learning_rate: float, decay_steps: int, alpha: float = 0.0) -> optax.Schedule:
    """``learning_rate * ((1 - alpha) * (1 + cos(pi * step / decay_steps)) / 2 + alpha)``.

    As ``tf.compat.v1.train.cosine_decay``.

    Args:
        learning_rate: at step 0.
        decay_steps: length of the decay in steps; afterwards the rate stays.
        alpha: last rate as a share of the first.

    Returns:
        Schedule over optimizer steps; float32.

    Example:
        >>> from nnwidgets import schedules
        >>> schedules.preview(schedules.tensorflow.cosine_decay(0.4, 2), 4).round(3)
        array([0.4, 0.2, 0. , 0. ], dtype=float32)
    """
    need(rate("learning_rate", learning_rate))
    return keras.cosine_decay(learning_rate, decay_steps, alpha)


def cosine_decay_restarts(
    learning_rate: float, first_decay_steps: int, t_mul: float = 2.0, m_mul: float = 1.0, alpha: float = 0.0
) -> optax.Schedule:
    """Cosine decay that starts again, each time ``t_mul`` times longer, as ``tf.compat.v1.train.cosine_decay_restarts``.

    Formula and arguments: `nnwidgets.schedules.keras.cosine_decay_restarts`.

    Args:
        learning_rate: at step 0.
        first_decay_steps: length of period 0 in steps.
        t_mul: how many times longer each period is than the one before: 1, or from 1.001 to 1,000.
        m_mul: how many times higher each period begins, above 0.
        alpha: lowest rate as a share of the first.

    Returns:
        Schedule over optimizer steps; float32.

    Example:
        >>> from nnwidgets import schedules
        >>> schedules.preview(schedules.tensorflow.cosine_decay_restarts(0.4, 2, t_mul=1.0), 4).round(3)
        array([0.4, 0.2, 0.4, 0.2], dtype=float32)
    """
    need(rate("learning_rate", learning_rate))
    return keras.cosine_decay_restarts(learning_rate, first_decay_steps, t_mul, m_mul, alpha)


def linear_cosine_decay(
    learning_rate: float, decay_steps: int, num_periods: float = 0.5, alpha: float = 0.0, beta: float = 0.001
) -> optax.Schedule:
    """``learning_rate * ((alpha + 1 - t) * (1 + cos(2 pi * num_periods * t)) / 2 + beta)``, ``t = min(step / decay_steps, 1)``.

    As ``tf.compat.v1.train.linear_cosine_decay``: it falls faster than a cosine alone.

    Args:
        learning_rate: near that at step 0, which is ``learning_rate * (1 + alpha + beta)``.
        decay_steps: length of the decay in steps; afterwards the rate stays.
        num_periods: waves of the cosine; 0.5 falls once.
        alpha: added to the straight line.
        beta: last rate as a share of the first, where the cosine ends at 0.

    Returns:
        Schedule over optimizer steps; float32.

    Example:
        >>> from nnwidgets import schedules
        >>> schedules.preview(schedules.tensorflow.linear_cosine_decay(0.4, 2, beta=0.0), 3).round(3)
        array([0.4, 0.1, 0. ], dtype=float32)

    References:
        Bello et al., Neural Optimizer Search, https://arxiv.org/abs/1709.07417, section 4.
    """
    need(rate("learning_rate", learning_rate), whole("decay_steps", decay_steps))

    def curve(count: Any) -> Any:
        share = left(count, int(decay_steps))
        # half a cosine is a squared cosine of half the angle
        wave = jnp.square(jnp.cos(jnp.pi * num_periods * (1 - share)))
        return learning_rate * ((alpha + share) * wave + beta)

    return as_schedule(curve)
