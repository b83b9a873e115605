"""Where the losses of two runs part, and on account of what."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from ._change import Change
from ._changed_code import changed_code
from ._changed_course import changed_interventions
from ._changed_data import changed_data, first_other_batch
from ._changed_environment import changed_environment, changed_packages
from ._changed_hyperparameters import changed_hyperparameters
from ._changed_model import changed_model


@dataclass(frozen=True)
class Parted:
    """Where two runs part.

    Attributes:
        step: the first whose loss is not the same bits in both; None if all are that both made.
        common: how many steps both made.
        why: the input on record that differs there or before, in a sentence.
    """

    step: int | None
    common: int
    why: str


def parted(left: Any, right: Any) -> Parted:
    """The first step at which two runs have another ``train/loss``, bit for bit; NaN is the same as NaN.

    Args:
        left: a `Run`.
        right: another one.
    """
    return part(left, right, causes(left, right))


def part(left: Any, right: Any, changes: list[Change]) -> Parted:
    """The same where it is known what differs."""
    step, common = _step(left.rows("train/loss"), right.rows("train/loss"))
    if not common:
        return Parted(None, 0, "no step of both is on record")
    if step is None:
        return Parted(None, common, f"the losses of all {common:,} common steps are the same, bit for bit")
    return Parted(step, common, f"the losses part at step {step:,}; {_reason(changes, step)}")


def causes(left: Any, right: Any) -> list[Change]:
    """All inputs that differ, the most likely cause of other numbers first, what is harmless last."""
    step, _ = _step(left.rows("train/loss"), right.rows("train/loss"))
    facts = {
        name: (left.facts(name), right.facts(name))
        for name in ("hyperparameters", "model", "code", "data", "environment")
    }
    found = [
        *changed_environment(*facts["environment"]),
        *changed_model(*facts["model"]),
        *changed_hyperparameters(*facts["hyperparameters"]),
        *changed_data(*facts["data"], first_other_batch(left.rows("data/hash"), right.rows("data/hash"))),
        *changed_interventions(left, right),
        *changed_code(*facts["code"]),
        *changed_packages(*facts["environment"]),
    ]
    # what acts only after they have parted has not parted them
    return sorted(found, key=lambda each: (each.harmless, step is not None and each.acts > step, each.rank))


def _reason(changes: list[Change], step: int) -> str:
    able = [each for each in changes if each.acts <= step and not each.follows]
    if able:
        return able[0].told
    after = "before it " if changes else ""
    return (
        f"all recorded inputs {after}are the same: what is left is a device that does not give the same bits twice, or "
        "something outside the record"
    )


def _step(left: tuple[Any, Any], right: tuple[Any, Any]) -> tuple[int | None, int]:
    steps, one, other = np.intersect1d(left[0], right[0], assume_unique=True, return_indices=True)
    a, b = np.ravel(left[1])[one], np.ravel(right[1])[other]
    same = (a == b) & (np.signbit(a) == np.signbit(b)) | (np.isnan(a) & np.isnan(b))
    apart = np.flatnonzero(~same)
    return (int(steps[apart[0]]) if len(apart) else None), len(steps)
