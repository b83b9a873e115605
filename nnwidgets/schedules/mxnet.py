"""The schedulers of ``mxnet.lr_scheduler``, under their names (in lower case) and arguments.

MXNet's optimizers count an update before they ask for its learning rate: the first update is number 1. Optax counts from 0.
So Optax's count 0 is ``num_update = begin_num_update + 1`` here, and a run has the learning rates that it has in MXNet.
``begin_num_update`` is the argument of that name of MXNet's optimizers; with -1, count and ``num_update`` are the same.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import jax.numpy as jnp
import numpy as np
import optax

from ._arguments import between, need, one_of, positive, rate, rising, whole
from ._curves import Curve, as_schedule, half_cosine, left, linear, piece, polynomial, power


def factor_scheduler(
    step: int,
    factor: float = 1.0,
    stop_factor_lr: float = 1e-8,
    base_lr: float = 0.01,
    warmup_steps: int = 0,
    warmup_begin_lr: float = 0.0,
    warmup_mode: str = "linear",
    begin_num_update: int = 0,
) -> optax.Schedule:
    """``max(base_lr * factor ** k, stop_factor_lr)`` after ``k * step`` updates, as MXNet's FactorScheduler.

    Updates 1 to ``step`` have ``base_lr``: ``k = (num_update - 1) // step``. The updates of the warm-up are counted, too: where
    it is longer than ``step``, the rate falls from its end at once.

    Args:
        step: updates between two reductions.
        factor: of the rate at each, above 0 and at most 1.
        stop_factor_lr: the rate never falls below.
        base_lr: learning rate before the first reduction.
        warmup_steps: updates with a lower rate at the beginning; 0 for none.
        warmup_begin_lr: learning rate at ``num_update = 0``, at most ``base_lr``.
        warmup_mode: ``"linear"`` rises from there to ``base_lr``, ``"constant"`` stays there until ``warmup_steps``.
        begin_num_update: updates already made when Optax's count is 0.

    Returns:
        Schedule over updates; float32.

    Example:
        >>> from nnwidgets import schedules
        >>> schedules.preview(schedules.mxnet.factor_scheduler(2, 0.5, base_lr=0.4), 5)
        array([0.4, 0.4, 0.2, 0.2, 0.1], dtype=float32)
    """
    need(
        rate("stop_factor_lr", stop_factor_lr),
        rate("base_lr", base_lr),
        rate("warmup_begin_lr", warmup_begin_lr),
        whole("step", step),
        _factor(factor),
    )

    def curve(num_update: Any) -> Any:
        k = (jnp.maximum(num_update, 1) - 1) // int(step)
        lowered = jnp.maximum(base_lr * power(factor, k.astype(jnp.float32)), stop_factor_lr)
        return jnp.where(k > 0, lowered, base_lr)

    return _scheduler(curve, base_lr, warmup_steps, warmup_begin_lr, warmup_mode, begin_num_update)


def multi_factor_scheduler(
    step: Sequence[int],
    factor: float = 1.0,
    base_lr: float = 0.01,
    warmup_steps: int = 0,
    warmup_begin_lr: float = 0.0,
    warmup_mode: str = "linear",
    begin_num_update: int = 0,
) -> optax.Schedule:
    """``base_lr * factor ** k``, ``k`` of the ``step`` lying below ``num_update``, as MXNet's MultiFactorScheduler.

    Args:
        step: updates after which the rate is reduced, rising, from 1 on; update number ``step[0]`` still has ``base_lr``.
        factor: of the rate at each, above 0 and at most 1.
        base_lr: learning rate before the first reduction.
        warmup_steps: updates with a lower rate at the beginning; 0 for none.
        warmup_begin_lr: learning rate at ``num_update = 0``, at most ``base_lr``.
        warmup_mode: ``"linear"`` rises from there to ``base_lr``, ``"constant"`` stays there until ``warmup_steps``.
        begin_num_update: updates already made when Optax's count is 0.

    Returns:
        Schedule over updates; float32.

    Example:
        >>> from nnwidgets import schedules
        >>> schedules.preview(schedules.mxnet.multi_factor_scheduler([2, 3], 0.5, base_lr=0.4), 4)
        array([0.4, 0.4, 0.2, 0.1], dtype=float32)
    """
    need(
        rate("base_lr", base_lr),
        rate("warmup_begin_lr", warmup_begin_lr),
        rising("step", step, at_least=1),
        _factor(factor),
    )
    shares = float(factor) ** np.arange(len(step) + 1)
    return _scheduler(
        lambda num_update: base_lr * piece(num_update, step, shares, closed=True),
        base_lr,
        warmup_steps,
        warmup_begin_lr,
        warmup_mode,
        begin_num_update,
    )


def poly_scheduler(
    max_update: int,
    base_lr: float = 0.01,
    pwr: float = 2,
    final_lr: float = 0.0,
    warmup_steps: int = 0,
    warmup_begin_lr: float = 0.0,
    warmup_mode: str = "linear",
    begin_num_update: int = 0,
) -> optax.Schedule:
    """``final_lr + (base_lr - final_lr) * (1 - t) ** pwr``, as MXNet's PolyScheduler.

    ``t = (num_update - warmup_steps) / (max_update - warmup_steps)``. After ``max_update`` the rate stays ``final_lr``, as
    MXNet's class has it; its documentation says 0.

    Args:
        max_update: number of the update that has ``final_lr``, the warm-up included.
        base_lr: learning rate after the warm-up.
        pwr: 1 for a straight line.
        final_lr: learning rate at the end.
        warmup_steps: updates with a lower rate at the beginning, fewer than ``max_update``; 0 for none.
        warmup_begin_lr: learning rate at ``num_update = 0``, at most ``base_lr``.
        warmup_mode: ``"linear"`` rises from there to ``base_lr``, ``"constant"`` stays there until ``warmup_steps``.
        begin_num_update: updates already made when Optax's count is 0.

    Returns:
        Schedule over updates; float32.

    Example:
        >>> from nnwidgets import schedules
        >>> schedules.preview(schedules.mxnet.poly_scheduler(4, base_lr=0.4, pwr=1), 5).round(3)
        array([0.3, 0.2, 0.1, 0. , 0. ], dtype=float32)
    """
    need(
        rate("base_lr", base_lr),
        rate("final_lr", final_lr),
        rate("warmup_begin_lr", warmup_begin_lr),
        _ends(max_update, warmup_steps),
        between("pwr", pwr, 0, float("inf"), 2),
    )
    return _scheduler(
        lambda num_update: polynomial(base_lr, final_lr, _left(num_update, max_update, warmup_steps), pwr),
        base_lr,
        warmup_steps,
        warmup_begin_lr,
        warmup_mode,
        begin_num_update,
    )


def cosine_scheduler(
    max_update: int,
    base_lr: float = 0.01,
    final_lr: float = 0.0,
    warmup_steps: int = 0,
    warmup_begin_lr: float = 0.0,
    warmup_mode: str = "linear",
    begin_num_update: int = 0,
) -> optax.Schedule:
    """``final_lr + (base_lr - final_lr) * (1 + cos(pi * t)) / 2``, as MXNet's CosineScheduler.

    ``t = (num_update - warmup_steps) / (max_update - warmup_steps)``. After ``max_update`` the rate stays ``final_lr``, as
    MXNet's class has it; its documentation says 0.

    Args:
        max_update: number of the update that has ``final_lr``, the warm-up included.
        base_lr: learning rate after the warm-up.
        final_lr: learning rate at the end.
        warmup_steps: updates with a lower rate at the beginning, fewer than ``max_update``; 0 for none.
        warmup_begin_lr: learning rate at ``num_update = 0``, at most ``base_lr``.
        warmup_mode: ``"linear"`` rises from there to ``base_lr``, ``"constant"`` stays there until ``warmup_steps``.
        begin_num_update: updates already made when Optax's count is 0.

    Returns:
        Schedule over updates; float32.

    Example:
        >>> from nnwidgets import schedules
        >>> schedules.preview(schedules.mxnet.cosine_scheduler(5, base_lr=0.4, warmup_steps=3), 6).round(3)
        array([0.133, 0.267, 0.4  , 0.2  , 0.   , 0.   ], dtype=float32)
    """
    need(
        rate("base_lr", base_lr),
        rate("final_lr", final_lr),
        rate("warmup_begin_lr", warmup_begin_lr),
        _ends(max_update, warmup_steps),
    )
    return _scheduler(
        lambda num_update: polynomial(base_lr, final_lr, half_cosine(_left(num_update, max_update, warmup_steps)), 1),
        base_lr,
        warmup_steps,
        warmup_begin_lr,
        warmup_mode,
        begin_num_update,
    )


def _scheduler(
    curve: Curve, base_lr: float, warmup_steps: int, warmup_begin_lr: float, warmup_mode: str, begin_num_update: int
) -> optax.Schedule:
    """The curve over ``num_update``, after MXNet's warm-up."""
    higher = f"warmup_begin_lr must be at most base_lr={base_lr:g}, got {warmup_begin_lr:g}: type warmup_begin_lr=0"
    need(
        whole("warmup_steps", warmup_steps, at_least=0),
        whole("begin_num_update", begin_num_update, at_least=-1),
        one_of("warmup_mode", warmup_mode, ("linear", "constant")),
        higher if warmup_begin_lr > base_lr else "",
    )
    warmup, first = int(warmup_steps), int(begin_num_update) + 1

    def shifted(count: Any) -> Any:
        num_update = count + first
        rise = linear(warmup_begin_lr, base_lr, num_update, max(warmup, 1))
        return jnp.where(num_update < warmup, rise if warmup_mode == "linear" else warmup_begin_lr, curve(num_update))

    return as_schedule(shifted)


def _left(num_update: Any, max_update: int, warmup_steps: int) -> Any:
    return left(num_update - int(warmup_steps), int(max_update) - int(warmup_steps))


def _factor(factor: float) -> str:
    return positive("factor", factor, 0.1) or between("factor", factor, 0, 1, 0.1)


def _ends(max_update: int, warmup_steps: int) -> str:
    wrong = whole("max_update", max_update) or whole("warmup_steps", warmup_steps, at_least=0)
    longer = (
        f"max_update must be larger than warmup_steps={warmup_steps}, got {max_update}: it counts the warm-up, too; "
        + (f"type max_update={int(warmup_steps) + 1000} for 1,000 updates after it" if not wrong else "")
    )
    return wrong or (longer if max_update <= warmup_steps else "")
