"""One reading over the steps of a run."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt


@dataclass(frozen=True)
class Series:
    """One reading, such as ``gradient/norm``, as columns: one row a step, one column a layer.

    The newest steps are kept one by one. Older ones are kept in buckets of neighbouring steps: then
    `values` is the bucket's mean, `low` and `high` its smallest and largest value, and `steps` its last step.

    Attributes:
        name: ``"<what>/<reading>"``.
        steps: int64 of shape (rows,), ascending.
        layers: the path of each column; ``("",)`` for a reading of the whole network.
        values: float32 of shape (rows, layers); NaN where nothing was read.
        low: like `values`; equal to it where a row is a single step.
        high: like `values`; equal to it where a row is a single step.
    """

    name: str
    steps: npt.NDArray[np.int64]
    layers: tuple[str, ...]
    values: npt.NDArray[np.float32]
    low: npt.NDArray[np.float32] = field(repr=False)
    high: npt.NDArray[np.float32] = field(repr=False)

    def __len__(self) -> int:
        return len(self.steps)

    def __iter__(self) -> Iterator[tuple[int, npt.NDArray[np.float32]]]:
        return zip((int(step) for step in self.steps), self.values, strict=True)

    def __repr__(self) -> str:
        span = f"steps {self.steps[0]} to {self.steps[-1]}" if len(self) else "no steps yet"
        return f"Series({self.name!r}, {span}, {len(self)} rows x {len(self.layers)} layers)"
