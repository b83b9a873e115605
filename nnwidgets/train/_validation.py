"""Whether batches can be validated on, told before the first step."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import jax

from nnwidgets.objective import Objective

from ._data import describe, refuse_one_batch


def check_validation(validation: Any, objective: Objective, batch: Any) -> None:
    """Raise unless these are batches that can be gone through again and that the loss takes, as far as a look tells.

    Args:
        validation: what was given.
        objective: the loss.
        batch: one to train on.

    Raises:
        TypeError: it is one batch, or no iterable.
        ValueError: it is a generator, or the first of a list is of another form than `batch` and the loss does not take it.
    """
    refuse_one_batch(validation, "validation")
    if not isinstance(validation, Iterable):
        raise TypeError(
            f"validation must be an iterable of batches, got a {type(validation).__name__}: type validation=[batch, ...]."
        )
    if iter(validation) is validation:
        raise ValueError("validation must give its batches again and again, got a generator: type list(validation).")
    if not isinstance(validation, (list, tuple)) or not validation:
        return
    first = validation[0]
    if _form(first) == _form(batch):
        return
    try:
        jax.eval_shape(
            lambda batch: objective(objective.params, objective.state, batch, jax.random.key(0), False), first
        )
    except Exception as error:
        raise ValueError(
            f"the loss does not take the first batch of validation, {describe(first)}, which has another form than those "
            f"trained on, {describe(batch)}: {type(error).__name__}: {error}"
        ) from error


def _form(batch: Any) -> Any:
    leaves, structure = jax.tree.flatten(batch)
    return structure, [len(getattr(leaf, "shape", ())) for leaf in leaves]
