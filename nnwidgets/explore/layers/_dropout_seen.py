"""What is measured of dropouts: masks from step to step, and the variances of the batch norms behind them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import jax
import numpy as np

from nnwidgets.records import Guide, Line, Plot

from .._lab import Lab
from ._drops import Drop, consecutive, pairs_of
from ._norm_layers import norm_layers
from ._variance_shift import variances


class Seen:
    """What some consecutive steps show, with parameters and batch held fixed.

    Attributes:
        rates: measured, for each dropout.
        agreement: share chosen as in the step before, the smallest over the steps.
        alike: for pairs of dropouts with inputs of one shape, share chosen alike, the smallest over the steps.
        train: how far the outputs of two steps lie apart, over their spread, in training.
        evaluation: the same in evaluation.
    """

    def __init__(self, lab: Lab, drops: Sequence[Drop], steps: int) -> None:
        self._drops = drops
        look, state, batch = consecutive(lab.setup), lab.state, lab.batches[0]
        keys = [jax.random.fold_in(lab.key, np.uint32(lab.step + k)) for k in range(steps)]
        found = []
        for k in lab.each(range(steps - 1), "steps"):
            found.append(look(lab.params, state, batch, keys[k], keys[k + 1]))
            state = found[-1].state
        self.rates = [float(np.mean([each.rates[i] for each in found])) for i in range(len(drops))]
        self.agreement = [float(min(each.agreement[i] for each in found)) for i in range(len(drops))]
        pairs = pairs_of(list(drops))
        self.alike = {pair: float(min(each.alike[k] for each in found)) for k, pair in enumerate(pairs)}
        self.train = float(max(each.train for each in found))
        self.evaluation = float(max(each.evaluation for each in found))

    def rows(self) -> list[tuple[Any, ...]]:
        return [
            (drop.place, "dropout", drop.rate, rate, share, rate**2 + (1 - rate) ** 2, None, None)
            for drop, rate, share in zip(self._drops, self.rates, self.agreement, strict=True)
        ]

    def numbers(self) -> dict[str, Any]:
        return {
            "places": [drop.place for drop in self._drops],
            "rates": [drop.rate for drop in self._drops],
            "measured_rates": self.rates,
            "as_the_step_before": self.agreement,
            "train_outputs_apart": self.train,
            "evaluation_outputs_apart": self.evaluation,
        }


class Shifts:
    """The variance ratio of each channel of each batch norm.

    Attributes:
        names: of the norms.
        ratios: (channels,) for each.
        medians: of these.
        failed: why they can't be measured; "" if they can.
    """

    def __init__(self, lab: Lab, batches: int) -> None:
        self.names = [layer.name for layer in norm_layers(lab.setup)]
        self.failed = ""
        self.ratios: list[Any] = []
        try:
            look = variances(lab.setup)
        except ValueError as error:
            self.failed = str(error)
            return
        found = []
        for k, batch in enumerate(lab.each(lab.fresh(batches), "batches")):
            found.append(look(lab.params, lab.state, batch, jax.random.fold_in(lab.key, np.uint32(lab.step + k))))
        for i in range(len(self.names)):
            on, off = (np.mean([np.asarray(each[side][i], np.float64) for each in found], axis=0) for side in (0, 1))
            alive = off > 1e-12 * max(float(off.max()), 1e-30)
            self.ratios.append(on[alive] / off[alive] if alive.any() else np.ones(1))
        self.medians = [float(np.median(each)) for each in self.ratios]

    def rows(self) -> list[tuple[Any, ...]]:
        if self.failed:
            return []
        both = zip(self.names, self.medians, self.ratios, strict=True)
        return [
            (name, "batch norm", None, None, None, None, median, float(ratios.max())) for name, median, ratios in both
        ]

    def numbers(self) -> dict[str, Any]:
        if self.failed:
            return {}
        largest = [float(each.max()) for each in self.ratios]
        return {"norms": self.names, "variance_shift": self.medians, "largest_variance_shift": largest}

    def pictures(self) -> list[Plot]:
        if self.failed:
            return []
        lines = [
            Line(name, np.full(len(ratios), number), ratios, dots=True)
            for number, (name, ratios) in enumerate(zip(self.names, self.ratios, strict=True), 1)
        ]
        words = "variance with dropout / without"
        guides, names = (Guide(1.0, "no shift", "y"),), tuple(self.names)
        title = "Variance shift at the input of each batch norm"
        return [Plot(title, "batch norm", words, tuple(lines), guides, x_names=names)]
