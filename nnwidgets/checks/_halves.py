"""The loss of a batch against that of its parts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import jax
import numpy as np

from ._subject import Subject


@dataclass(frozen=True)
class Parts:
    """Losses in evaluation, without a declared penalty, each the mean over some batches.

    Attributes:
        whole: of whole batches.
        means: by the number of parts, the mean over them.
        spread: standard error of the mean over halves, from how much the halves differ.
        rows: examples in a whole.
    """

    whole: float
    means: dict[int, float]
    spread: float
    rows: int

    def is_sum(self, tolerance: float = 0.1) -> bool:
        """Whether each part has its share of the loss: that is a sum over the examples."""
        near = [abs(mean * count - self.whole) <= tolerance * abs(self.whole) for count, mean in self.means.items()]
        return bool(near) and all(near)

    def is_mean(self, tolerance: float = 0.01) -> bool:
        """Whether the parts have the loss of the whole on average."""
        slack = max(tolerance * abs(self.whole), self.spread)
        return all(abs(mean - self.whole) <= slack for mean in self.means.values())


def parts_of(subject: Subject, counts: tuple[int, ...] = (2, 4), batches: int = 4) -> Parts | None:
    """The losses; None where the batch has no common first axis, has too few rows, or the loss takes one size alone."""
    setup = subject.setup
    rows = setup.rows or 0
    rows -= rows % max(counts)
    if rows < max(counts):
        return None

    def loss(batch: Any) -> float:
        return subject.loss(batch, train=False, penalty=False)

    whole, parts = [], {count: list[list[float]]() for count in counts}
    try:
        for batch in setup.batches[:batches]:
            whole.append(loss(jax.tree.map(lambda leaf: leaf[:rows], batch)))
            for count in counts:
                parts[count].append([loss(part) for part in _split(batch, rows, count)])
    except (TypeError, ValueError):
        return None
    halves = np.asarray(parts[counts[0]])
    spread = float((halves.std(1) / np.sqrt(counts[0] * len(halves))).mean())
    return Parts(float(np.mean(whole)), {count: float(np.mean(each)) for count, each in parts.items()}, spread, rows)


def _split(batch: Any, rows: int, count: int) -> list[Any]:
    size = rows // count
    return [jax.tree.map(lambda leaf, i=i: leaf[i * size : (i + 1) * size], batch) for i in range(count)]
