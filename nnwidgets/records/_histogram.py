"""The distribution of each tensor's or layer's values at one step."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt


@dataclass(frozen=True)
class Histogram:
    """Counts in equal bins between each layer's smallest and largest value.

    Attributes:
        name: ``"gradient/histogram"``, ``"update/histogram"``, ``"parameter/histogram"`` or ``"activation/histogram"``.
        step: the step that was read.
        layers: one path a row.
        low: float32 (layers,): the left edge of the first bin.
        high: float32 (layers,): the right edge of the last bin; equal to `low` for a constant tensor.
        counts: float32 (layers, bins): how many of the sampled values fell into each bin.
    """

    name: str
    step: int
    layers: tuple[str, ...]
    low: npt.NDArray[np.float32]
    high: npt.NDArray[np.float32]
    counts: npt.NDArray[np.float32]

    def edges(self, layer: str) -> npt.NDArray[np.float32]:
        """The bins' edges of one layer: float32 of shape (bins + 1,)."""
        row = self.layers.index(layer)
        return np.linspace(self.low[row], self.high[row], self.counts.shape[1] + 1, dtype=np.float32)
