"""Validation beside training at the same parameters."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from nnwidgets.records import History, UnknownReading

from ._course import Floats, course_of


@dataclass(frozen=True)
class Validated:
    """The losses at each validation.

    Attributes:
        steps: int64 (validations,).
        train: median training loss of the steps about it, float64 (validations,).
        validation: float64 (validations,).
    """

    steps: npt.NDArray[np.int64]
    train: Floats
    validation: Floats


def validated(history: History, least: int = 2, around: int = 10) -> Validated:
    """The validations that were finite, each with the median of the ten training steps before it and the ten after it.

    Raises:
        UnknownReading: there are fewer than `least`.
    """
    if "validation/loss" not in history:
        raise UnknownReading("'validation/loss' was not read.")
    loss, series = course_of(history, steps=3), history["validation/loss"]
    finite = np.isfinite(series.values[:, 0])
    steps, values = series.steps[finite], series.values[finite, 0].astype(np.float64)
    near = [loss.values[np.abs(loss.steps - step) <= around] for step in steps]
    kept = [i for i, part in enumerate(near) if len(part)]
    if len(kept) < least:
        raise UnknownReading(f"'validation/loss' was read {len(kept)} times: {least} are needed.")
    return Validated(steps[kept], np.asarray([np.median(near[i]) for i in kept]), values[kept])
