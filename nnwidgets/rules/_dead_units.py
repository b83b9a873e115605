"""ReLU units that give nothing for any example."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from nnwidgets.records import Finding, History

from ._course import course_of, medians, tensors_of


@dataclass(frozen=True)
class DeadUnits:
    """Most units of a ReLU layer are 0 for every example of the batch, at every reading: no gradient passes through them.

    Red where it is (nearly) the whole layer: all of it, or nine tenths while the loss does not fall. Half of the values of a
    ReLU being 0 is as it should be, and so are some dead units; in batches of a few examples a unit may be silent by
    chance, so that only a layer that gives nothing at all counts there. Usual causes: a learning rate that is too
    high, inputs that are not scaled, a large negative bias. See Lu et al. 2019, "Dying ReLU and initialization".
    """

    most: float = 0.5
    nearly: float = 0.9
    whole: float = 0.99
    rows: int = 5
    batch: int = 16

    def check(self, history: History) -> list[Finding]:
        """Layers by the smallest share of dead units in the last half of the readings; the deadest first."""
        read = tensors_of(history, "activation/dead", self.rows)
        last = read.values[len(read.values) // 2 :]
        least = np.where(np.isfinite(last), last, 0.0).min(axis=0)
        first = medians(read.values[: max(1, len(read.values) // 5)])
        many = (history.facts.batch_size or 0) >= self.batch
        found = [
            i
            for i in sorted(range(len(least)), key=lambda i: -least[i])
            if least[i] >= (self.most if many else self.whole)
        ]
        stuck = bool(found) and _is_stuck(history)
        return [
            Finding(
                rule="DeadUnits",
                severity="problem" if least[i] >= self.whole or (least[i] >= self.nearly and stuck) else "warning",
                where=read.layers[i],
                step=int(read.steps[-1]),
                evidence={"activation/dead, smallest": float(least[i]), "at first": float(first[i])}
                | {"readings": len(last)}
                | _gradient(history, read.layers[i]),
                explanation=f"{_share(float(least[i]))} of the units of {read.layers[i]} are 0 for every example, "
                + ("from the start." if first[i] >= least[i] - 0.1 else "more and more in the course of the run."),
                remedy="Lower the learning rate, scale the inputs, initialize for ReLU (he_normal), or use leaky_relu.",
                change=("multiplier", 0.1) if first[i] < least[i] - 0.1 else None,
            )
            for i in found[:3]
        ]


def _is_stuck(history: History) -> bool:
    if "train/loss" not in history:
        return False
    loss = course_of(history, steps=20)
    return not loss.falls(2, 4)


def _gradient(history: History, label: str) -> dict[str, float]:
    """The share of zeros in the gradient of the layer's own tensors: that of its dead units, and more."""
    layer = label.rpartition("/")[0]
    if not layer or "gradient/zero_fraction" not in history:
        return {}
    zeros = history["gradient/zero_fraction"]
    own = [i for i, path in enumerate(zeros.layers) if path == layer or path.startswith(f"{layer}/")]
    middle = medians(np.asarray(zeros.values[len(zeros) // 2 :], np.float64)) if own else np.empty(0)
    return {f"gradient/zero_fraction {zeros.layers[i]}": float(middle[i]) for i in own[:2] if np.isfinite(middle[i])}


def _share(share: float) -> str:
    return "All" if share >= 1 else f"{share:.0%}"
