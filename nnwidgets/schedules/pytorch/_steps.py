"""Learning rates that change from epoch to epoch by a factor."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import jax.numpy as jnp
import numpy as np
import optax

from .._arguments import between, need, positive, rate, rising, whole
from .._curves import per_epoch, piece, power


def step_lr(lr: float, step_size: int, gamma: float = 0.1, steps_per_epoch: int = 1) -> optax.Schedule:
    """``lr * gamma ** (epoch // step_size)``, as PyTorch's StepLR.

    Args:
        lr: learning rate of the first epochs.
        step_size: epochs between two reductions.
        gamma: factor of each, above 0.
        steps_per_epoch: optimizer steps between two calls of PyTorch's ``scheduler.step()``.

    Returns:
        Schedule over optimizer steps; float32.

    Example:
        >>> from nnwidgets import schedules
        >>> schedules.preview(schedules.pytorch.step_lr(0.4, 1, 0.5, steps_per_epoch=2), 5)
        array([0.4, 0.4, 0.2, 0.2, 0.1], dtype=float32)
    """
    need(
        rate("lr", lr),
        whole("step_size", step_size),
        positive("gamma", gamma, 0.1),
        whole("steps_per_epoch", steps_per_epoch),
    )

    def curve(epoch: Any) -> Any:
        return lr * power(gamma, (epoch // int(step_size)).astype(jnp.float32))

    return per_epoch(curve, steps_per_epoch)


def multi_step_lr(lr: float, milestones: Sequence[int], gamma: float = 0.1, steps_per_epoch: int = 1) -> optax.Schedule:
    """``lr * gamma ** k``, ``k`` of the milestones having been reached, as PyTorch's MultiStepLR.

    A milestone already has the lower rate, other than a boundary in Keras.

    Args:
        lr: learning rate before the first milestone.
        milestones: epochs at which the rate is reduced, rising; one that is listed twice reduces it twice.
        gamma: factor of each reduction, above 0.
        steps_per_epoch: optimizer steps between two calls of PyTorch's ``scheduler.step()``.

    Returns:
        Schedule over optimizer steps; float32.

    Example:
        >>> from nnwidgets import schedules
        >>> schedules.preview(schedules.pytorch.multi_step_lr(0.4, [2, 3], 0.5), 4)
        array([0.4, 0.4, 0.2, 0.1], dtype=float32)
    """
    need(
        rate("lr", lr),
        rising("milestones", milestones, strictly=False),
        positive("gamma", gamma, 0.1),
        whole("steps_per_epoch", steps_per_epoch),
    )
    shares = float(gamma) ** np.arange(len(milestones) + 1)
    return per_epoch(lambda epoch: lr * piece(epoch, milestones, shares, closed=False), steps_per_epoch)


def constant_lr(lr: float, factor: float = 1 / 3, total_iters: int = 5, steps_per_epoch: int = 1) -> optax.Schedule:
    """``lr * factor`` until epoch ``total_iters``, then ``lr``, as PyTorch's ConstantLR.

    Args:
        lr: learning rate at the end.
        factor: of the rate at the beginning, from 0 to 1; 1 for a constant rate.
        total_iters: number of epochs with the lower rate.
        steps_per_epoch: optimizer steps between two calls of PyTorch's ``scheduler.step()``.

    Returns:
        Schedule over optimizer steps; float32.

    Example:
        >>> from nnwidgets import schedules
        >>> schedules.preview(schedules.pytorch.constant_lr(0.4, 0.5, total_iters=2), 4)
        array([0.2, 0.2, 0.4, 0.4], dtype=float32)
    """
    need(
        rate("lr", lr),
        between("factor", factor, 0, 1, 0.5),
        whole("total_iters", total_iters, at_least=0),
        whole("steps_per_epoch", steps_per_epoch),
    )
    return per_epoch(lambda epoch: lr * piece(epoch, [total_iters], [factor, 1.0], closed=False), steps_per_epoch)


def exponential_lr(lr: float, gamma: float, steps_per_epoch: int = 1) -> optax.Schedule:
    """``lr * gamma ** epoch``, as PyTorch's ExponentialLR.

    Args:
        lr: learning rate of the first epoch.
        gamma: factor from each epoch to the next, above 0.
        steps_per_epoch: optimizer steps between two calls of PyTorch's ``scheduler.step()``.

    Returns:
        Schedule over optimizer steps; float32. It never ends.

    Example:
        >>> from nnwidgets import schedules
        >>> schedules.preview(schedules.pytorch.exponential_lr(0.4, 0.5), 3)
        array([0.4, 0.2, 0.1], dtype=float32)
    """
    need(rate("lr", lr), positive("gamma", gamma, 0.95), whole("steps_per_epoch", steps_per_epoch))
    return per_epoch(lambda epoch: lr * power(gamma, epoch.astype(jnp.float32)), steps_per_epoch)


def lambda_lr(lr: float, lr_lambda: Callable[[Any], Any], steps_per_epoch: int = 1) -> optax.Schedule:
    """``lr * lr_lambda(epoch)``, as PyTorch's LambdaLR.

    Args:
        lr: learning rate that is multiplied.
        lr_lambda: factor at an epoch. It is traced: ``jnp.where(epoch < 10, a, b)`` in place of ``a if epoch < 10 else b``.
        steps_per_epoch: optimizer steps between two calls of PyTorch's ``scheduler.step()``.

    Returns:
        Schedule over optimizer steps; float32.

    Example:
        >>> from nnwidgets import schedules
        >>> schedules.preview(schedules.pytorch.lambda_lr(0.4, lambda epoch: 1 / (1 + epoch)), 2)
        array([0.4, 0.2], dtype=float32)
    """
    wrong = f"lr_lambda must be a function of the epoch, got {lr_lambda!r}: type lr_lambda=lambda epoch: 0.95**epoch"
    need(rate("lr", lr), "" if callable(lr_lambda) else wrong, whole("steps_per_epoch", steps_per_epoch))
    return per_epoch(lambda epoch: lr * lr_lambda(epoch), steps_per_epoch)
