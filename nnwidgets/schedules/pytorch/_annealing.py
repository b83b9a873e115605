"""Learning rates that go from one value to another along a line, a power or a cosine."""

from __future__ import annotations

from typing import Any

import jax.numpy as jnp
import optax

from .._arguments import between, need, rate, whole
from .._curves import half_cosine, left, linear, per_epoch, polynomial
from .._restarts import restarts


def linear_lr(
    lr: float,
    start_factor: float = 1 / 3,
    end_factor: float = 1.0,
    total_iters: int = 5,
    steps_per_epoch: int = 1,
) -> optax.Schedule:
    """``lr * (start_factor + (end_factor - start_factor) * min(epoch / total_iters, 1))``, as PyTorch's LinearLR.

    The usual warm-up of PyTorch, before another schedule in `sequential_lr`.

    Args:
        lr: learning rate that is multiplied.
        start_factor: factor at epoch 0, above 0 and at most 1.
        end_factor: factor from epoch ``total_iters`` on, from 0 to 1.
        total_iters: epochs between the two.
        steps_per_epoch: optimizer steps between two calls of PyTorch's ``scheduler.step()``.

    Returns:
        Schedule over optimizer steps; float32.

    Example:
        >>> from nnwidgets import schedules
        >>> schedules.preview(schedules.pytorch.linear_lr(0.4, 0.25, total_iters=3), 5)
        array([0.1, 0.2, 0.3, 0.4, 0.4], dtype=float32)
    """
    zero = "start_factor must be above 0, got 0: type, for example, start_factor=0.01" if start_factor == 0 else ""
    need(
        rate("lr", lr),
        zero or between("start_factor", start_factor, 0, 1, 0.1),
        between("end_factor", end_factor, 0, 1, 1),
        whole("total_iters", total_iters),
        whole("steps_per_epoch", steps_per_epoch),
    )
    return per_epoch(lambda epoch: lr * linear(start_factor, end_factor, epoch, int(total_iters)), steps_per_epoch)


def polynomial_lr(lr: float, total_iters: int = 5, power: float = 1.0, steps_per_epoch: int = 1) -> optax.Schedule:
    """``lr * (1 - min(epoch / total_iters, 1)) ** power``, as PyTorch's PolynomialLR.

    Args:
        lr: learning rate at epoch 0.
        total_iters: epochs until it is 0, which it stays.
        power: 1 for a straight line.
        steps_per_epoch: optimizer steps between two calls of PyTorch's ``scheduler.step()``.

    Returns:
        Schedule over optimizer steps; float32.

    Example:
        >>> from nnwidgets import schedules
        >>> schedules.preview(schedules.pytorch.polynomial_lr(0.4, total_iters=2, power=2), 4)
        array([0.4, 0.1, 0. , 0. ], dtype=float32)
    """
    need(
        rate("lr", lr),
        whole("total_iters", total_iters),
        between("power", power, 0, float("inf"), 1),
        whole("steps_per_epoch", steps_per_epoch),
    )
    return per_epoch(lambda epoch: polynomial(lr, 0.0, left(epoch, int(total_iters)), power), steps_per_epoch)


def cosine_annealing_lr(lr: float, T_max: int, eta_min: float = 0.0, steps_per_epoch: int = 1) -> optax.Schedule:
    """``eta_min + (lr - eta_min) * (1 + cos(pi * epoch / T_max)) / 2``, as PyTorch's CosineAnnealingLR.

    After ``T_max`` it **rises** again, over as many epochs, and so on: give it the length of the run.

    Args:
        lr: learning rate at epoch 0.
        T_max: epochs of half a wave.
        eta_min: learning rate at epoch ``T_max``.
        steps_per_epoch: optimizer steps between two calls of PyTorch's ``scheduler.step()``.

    Returns:
        Schedule over optimizer steps; float32.

    Example:
        >>> from nnwidgets import schedules
        >>> schedules.preview(schedules.pytorch.cosine_annealing_lr(0.4, T_max=2), 5).round(3)
        array([0.4, 0.2, 0. , 0.2, 0.4], dtype=float32)

    References:
        Loshchilov & Hutter, SGDR, https://arxiv.org/abs/1608.03983, equation 5.
    """
    need(rate("lr", lr), rate("eta_min", eta_min), whole("T_max", T_max), whole("steps_per_epoch", steps_per_epoch))
    half = int(T_max)

    def curve(epoch: Any) -> Any:
        share = jnp.abs(half - epoch % (2 * half)).astype(jnp.float32) / half
        return polynomial(lr, eta_min, half_cosine(share), 1)

    return per_epoch(curve, steps_per_epoch)


def cosine_annealing_warm_restarts(
    lr: float, T_0: int, T_mult: int = 1, eta_min: float = 0.0, steps_per_epoch: int = 1
) -> optax.Schedule:
    """``eta_min + (lr - eta_min) * (1 + cos(pi * T_cur / T_i)) / 2``, as PyTorch's CosineAnnealingWarmRestarts.

    ``T_cur`` is the number of epochs since the last restart, and ``T_i = T_0 * T_mult ** i`` the length of period i. Where
    PyTorch's ``scheduler.step(epoch + batch / batches)`` is called after every batch, give ``T_0`` in optimizer steps.

    Args:
        lr: learning rate at each restart.
        T_0: length of period 0 in epochs.
        T_mult: how many times longer each period is than the one before, a whole number.
        eta_min: learning rate that each period falls towards.
        steps_per_epoch: optimizer steps between two calls of PyTorch's ``scheduler.step()``.

    Returns:
        Schedule over optimizer steps; float32. It never ends.

    Example:
        >>> from nnwidgets import schedules
        >>> schedules.preview(schedules.pytorch.cosine_annealing_warm_restarts(0.4, T_0=2), 5).round(3)
        array([0.4, 0.2, 0.4, 0.2, 0.4], dtype=float32)

    References:
        Loshchilov & Hutter, SGDR, https://arxiv.org/abs/1608.03983, section 3.
    """
    need(
        rate("lr", lr),
        rate("eta_min", eta_min),
        whole("T_0", T_0),
        whole("T_mult", T_mult),
        whole("steps_per_epoch", steps_per_epoch),
    )
    period = restarts(int(T_0), int(T_mult))
    return per_epoch(lambda epoch: polynomial(lr, eta_min, half_cosine(period(epoch)[1]), 1), steps_per_epoch)
