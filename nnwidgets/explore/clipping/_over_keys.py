"""Whether a way of training loses to another one for certain, under several keys."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import optax

from .._lab import Lab
from .._paired import interval
from .._side_by_side import Way, last, side_by_side

# A way is held back where it loses more than this share of the progress that another makes.
_LOST = 0.25


def is_held_back(start: float, slower: float, quicker: float) -> bool:
    """Whether a way loses a good part of the progress that another one makes."""
    if not np.isfinite(quicker):
        return False
    made = start - quicker
    return not np.isfinite(slower) or (made > 0.02 * abs(start) and slower - quicker > _LOST * made)


def is_certainly_held_back(start: float, slower: npt.NDArray[np.float64], quicker: npt.NDArray[np.float64]) -> bool:
    """The same of the means over several keys, where the paired 95 % interval leaves no doubt, or where it is so under each.

    Losses of runs that blow up differ by orders of magnitude, so that an interval of them says nothing.

    Example:
        >>> is_certainly_held_back(2.0, np.array([1.0, 1.1, 1.2]), np.array([0.4, 0.5, 0.4]))
        True
        >>> is_certainly_held_back(2.0, np.array([1.0, 0.4, 1.2]), np.array([0.4, 0.5, 0.4]))
        False
    """
    if all(is_held_back(start, *ends) for ends in zip(slower.tolist(), quicker.tolist(), strict=True)):
        return True
    if not np.isfinite([slower, quicker]).all():
        return False
    return is_held_back(start, float(slower.mean()), float(quicker.mean())) and interval(slower - quicker).low > 0


def ends_over_keys(
    lab: Lab, ways: Mapping[str, tuple[Any, float]], steps: int, keys: int
) -> dict[str, npt.NDArray[np.float64]]:
    """The loss at the end (keys,) of ways that differ in the optimizer and in the bound of the gradient's norm before it.

    Args:
        lab: of the run.
        ways: (optimizer of the run's state, bound or infinity) by name.
        steps: of each.
        keys: how many.

    Returns:
        fewer ways where the lab was stopped.
    """
    made = {name: Way(lab.objective, _bounded(tx, bound)) for name, (tx, bound) in ways.items()}
    with np.errstate(invalid="ignore", over="ignore"):
        return {name: last(found.losses) for name, found in side_by_side(lab, made, steps, keys).items()}


def _bounded(tx: Any, bound: float) -> Any:
    """The optimizer, with the norm of its gradients bounded; its state is of the same form."""
    if not np.isfinite(bound):
        return tx
    clip, update = optax.clip_by_global_norm(bound), optax.with_extra_args_support(tx).update

    def bounded(grads: Any, state: Any, params: Any = None, **more: Any) -> Any:
        return update(clip.update(grads, optax.EmptyState())[0], state, params, **more)

    return optax.GradientTransformationExtraArgs(tx.init, bounded)
