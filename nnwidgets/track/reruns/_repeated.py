"""A run and its repetition, compared bit for bit."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

_LOSS, _HASH = "train/loss", "data/hash"


@dataclass(frozen=True)
class Rerun:
    """What came of running a run's code again.

    Attributes:
        run_id: number of the new run; None where there is none.
        equal: whether all losses on record came again, bit for bit.
        first_difference: the first step whose loss is another one, or is missing; None where there is none, or nothing to
            compare.
        words: the same for people, with the reason as far as it is known.
    """

    run_id: int | None
    equal: bool
    first_difference: int | None
    words: str


def compare(old: Any, new: Any) -> Rerun:
    """Both from a `Store`; NaN is equal to the same NaN."""
    steps, losses = old.rows(_LOSS)
    again, others = new.rows(_LOSS)
    if not len(steps):
        return Rerun(new.id, False, None, f"Run {old.id} has no losses on record: there is nothing to compare.")
    both, left, right = np.intersect1d(steps, again, return_indices=True)
    same = _bits(losses[left]) == _bits(others[right])
    missing = np.setdiff1d(steps, again)
    first = min([*both[~same][:1].tolist(), *missing[:1].tolist()], default=None)
    data = _data(old, new)
    if first is None:
        count = f"all {len(steps):,} losses of run {old.id}"
        more = f" Run {new.id} went on for {len(again) - len(steps):,} more." if len(again) > len(steps) else ""
        return Rerun(
            new.id, True, None, f"Run {new.id} gave {count} again, bit for bit.{more}{data and f' But {data}'}"
        )
    if first in missing:
        ended = f"it ended after {len(again):,} of {len(steps):,} steps ({new.state})"
        words = f"Run {new.id} has no loss of step {first}: {ended}."
    else:
        values = [f"{float(rows[at == first][0, 0]):.9g}" for at, rows in ((steps, losses), (again, others))]
        words = f"Run {new.id} gave another loss at step {first}: {values[1]} in place of {values[0]}."
    return Rerun(new.id, False, int(first), f"{words}{data and f' The reason: {data}'}")


def _bits(values: Any) -> Any:
    column = np.ascontiguousarray(values[:, 0], np.float32)
    return column.view(np.uint32)


def _data(old: Any, new: Any) -> str:
    """How the data differs; "" where it does not, as far as it was hashed."""
    steps, hashes = old.rows(_HASH)
    again, others = new.rows(_HASH)
    both, left, right = np.intersect1d(steps, again, return_indices=True)
    differs = both[hashes[left, 0] != others[right, 0]] if len(both) else both
    if len(differs):
        return f"the data is not the same: the batch of step {differs[0]} has another hash."
    was, now = (run.facts("data") for run in (old, new))
    whole = was.get("hash") and now.get("hash") and was.get("hashed") == now.get("hashed")
    return "the data is not the same: its hash differs." if whole and was["hash"] != now["hash"] else ""
