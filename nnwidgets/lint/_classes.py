"""The class of each example, where the targets are classes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from ._once import once

if TYPE_CHECKING:
    from ._setup import Array, Field, Setup

# More different whole numbers than this are counts, not classes.
_MOST_CLASSES = 1000


@dataclass(frozen=True)
class Classes:
    """Classes of the examples, one batch after another.

    Attributes:
        field: the array that holds them.
        labels: whole numbers, of all first batches.
        validation: those of validation, None where there are none.
    """

    field: Field
    labels: Array
    validation: Array | None


@once
def find_classes(setup: Setup) -> list[Classes]:
    """Each target that holds one class an example: whole numbers, (B,) or (B, 1), or one-hot rows (B, C)."""
    found = []
    regression = setup.train.head.loss in ("squared error", "absolute error")
    for field in setup.fields:
        if field.is_target and not field.is_input:
            labels = _labels(field.values, regression)
            if labels is not None:
                validation = None if field.validation is None else _labels(field.validation, regression)
                found.append(Classes(field, labels, validation))
    return found


def _labels(values: Array, regression: bool) -> Array | None:
    if values.ndim == 2 and values.shape[1] > 1:
        one_hot = bool(np.isin(values, (0, 1)).all()) and bool((values.sum(1) == 1).all())
        return values.argmax(1) if one_hot else None
    if values.ndim not in (1, 2) or not values.size:
        return None
    values = values.reshape(-1)
    if values.dtype.kind in "iub":
        whole = not regression
    else:
        # floats that say 0 or 1
        whole = values.dtype.kind in "fV" and bool(np.isin(values.astype(np.float32), (0, 1)).all())
    if not whole or len(np.unique(values)) > _MOST_CLASSES:
        return None
    return values.astype(np.int64)
