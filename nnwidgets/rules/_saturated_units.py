"""Layers of tanh or sigmoid that are flat nearly everywhere."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from nnwidgets.records import Finding, History

from ._course import course_of, medians, tensors_of

# They are never gates, which may be open or closed on purpose.
_SYMMETRIC = ("tanh", "hard_tanh")


@dataclass(frozen=True)
class SaturatedUnits:
    """Nearly all outputs of a hidden tanh or sigmoid lie where its slope is less than a twentieth, from the first reading on.

    Hardly any gradient passes through such a layer. What saturates while the network learns is as it should be, and so
    is the output of a certain classifier: both are left out. A sigmoid, which may be a gate that is open on purpose,
    is red only where the loss does not fall. Usual causes: inputs that are not scaled, weights that are too large at first.
    See Glorot and Bengio 2010, section 3.
    """

    most: float = 0.5
    nearly: float = 0.8
    rows: int = 5

    def check(self, history: History) -> list[Finding]:
        """Layers that were saturated at first and still are; the first one in the network first."""
        read = tensors_of(history, "activation/saturated", self.rows)
        first = medians(read.values[: max(1, len(read.values) // 5)])
        # a NaN is no saturation
        lowest = np.where(np.isfinite(read.values), read.values, 0.0).min(axis=0)
        hidden = [i for i, label in enumerate(read.layers) if not _is_head(label, history.facts.head)]
        found = [i for i in hidden if lowest[i] >= self.most and first[i] >= self.most]
        return [
            Finding(
                rule="SaturatedUnits",
                severity="problem" if lowest[i] >= self.nearly and self._hurts(read.layers[i], history) else "warning",
                where=read.layers[i],
                step=int(read.steps[-1]),
                evidence={"activation/saturated at first": float(first[i]), "smallest": float(lowest[i])}
                | {"readings": len(read.values)},
                explanation=f"{lowest[i]:.0%} or more of the outputs of {read.layers[i]} lie where it is flat, from the "
                "start on: hardly any gradient passes.",
                remedy="Scale the inputs to mean 0 and variance 1; start with smaller weights (variance 1/inputs).",
                change=("initialization", "lecun_normal"),
            )
            for i in found[:3]
        ]

    def _hurts(self, label: str, history: History) -> bool:
        function = label.rpartition("/")[2].partition(" ")[0]
        return function in _SYMMETRIC or ("train/loss" in history and not course_of(history, steps=20).fell)


def _is_head(label: str, head: tuple[str, ...]) -> bool:
    """Whether a nonlinearity's label is that of the layer which makes the outputs."""
    layer = label.rpartition("/")[0]
    return bool(layer) and any(path == layer or path.startswith(f"{layer}/") for path in head)
