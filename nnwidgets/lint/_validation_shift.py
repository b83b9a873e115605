"""Validation inputs that are prepared otherwise than those of training."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from nnwidgets.records import Finding

from ._entries import entered
from ._setup import Array, Setup
from ._told import told


@dataclass(frozen=True)
class ValidationShift:
    """What reaches the first layer in validation has another mean or spread than in training, far beyond chance.

    Usual causes: only one of the two was scaled, other statistics were used, or the augmentation is so strong that the
    network never sees data as it is. Mild augmentation does not come near the bounds: a spread three times as large or
    small, or a mean that lies two standard deviations off.
    """

    largest_ratio: float = 3.0
    largest_shift: float = 2.0

    def check(self, setup: Setup) -> Finding | None:
        """The first entry that differs."""
        for each in entered(setup):
            if each.entry.is_index or each.validation is None or min(len(each.train), len(each.validation)) < 10:
                continue
            train, validation = _rows(each.train), _rows(each.validation)
            if train.shape[1] != validation.shape[1]:
                continue
            ratio, shift = _compared(train, validation)
            grave = max(ratio, 1 / max(ratio, 1e-12)) > self.largest_ratio or shift > self.largest_shift
            if (
                grave
                or max(ratio, 1 / max(ratio, 1e-12)) > 0.6 * self.largest_ratio
                or shift > 0.5 * self.largest_shift
            ):
                return told(
                    self,
                    f"What reaches the first layer differs: in validation its spread is {ratio:.3g} times that of training, "
                    f"and its mean lies {shift:.2g} standard deviations off.",
                    "Prepare both with one function and the training data's statistics, or augment more mildly.",
                    severity="problem" if grave else "warning",
                    where=each.entry.layer,
                    line=setup.train.line(each.entry.op),
                    spread_in_training=float(train.std()),
                    spread_in_validation=float(validation.std()),
                    mean_in_training=float(train.mean()),
                    mean_in_validation=float(validation.mean()),
                )
        return None


def _compared(train: Array, validation: Array) -> tuple[float, float]:
    """Spread of validation over that of training; shift of the mean in standard deviations, less what chance gives."""
    spreads = train.std(0)
    whole = max(float(np.sqrt(np.mean(spreads**2))), 1e-12)
    ratio = float(np.sqrt(np.mean(validation.var(0)))) / whole
    # a feature that hardly varies is measured by the others
    units = np.maximum(spreads, 0.1 * whole)
    shifts = np.abs(validation.mean(0) - train.mean(0)) / units
    chance = 3 * np.sqrt(1 / len(train) + 1 / len(validation))
    return ratio, float(np.sqrt(np.mean(np.maximum(shifts - chance, 0) ** 2)))


def _rows(values: Array) -> Array:
    flat = values.reshape(len(values), -1).astype(np.float64)
    return np.where(np.isfinite(flat), flat, 0)
