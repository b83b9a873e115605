"""Data that comes in the order of its classes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from nnwidgets.records import Finding

from ._classes import Classes, find_classes
from ._setup import Array, Setup
from ._told import told


@dataclass(frozen=True)
class SortedLabels:
    """The batches hold one class after another instead of a mixture: each step learns its class and forgets the others.

    The composition of the first batches is compared with what shuffling the same labels gives. The order *within* a
    batch does not matter. Classes that fill validation but never come in training show a split of sorted data, too.
    Usual causes: files read class by class, a split that cuts off the last classes, shuffle=False.
    """

    beyond_chance: float = 8.0
    purity: float = 0.85
    unseen: float = 0.2

    def check(self, setup: Setup) -> Finding | None:
        """The first target whose classes come in blocks."""
        for each in find_classes(setup):
            found = self._unseen(each) or self._blocks(setup, each)
            if found is not None:
                return found
        return None

    def _unseen(self, each: Classes) -> Finding | None:
        """Validation full of classes that training has not shown, although chance would have."""
        if each.validation is None or len(each.labels) < 30:
            return None
        classes, counts = np.unique(each.validation, return_counts=True)
        shares = counts / counts.sum()
        unseen = ~np.isin(classes, each.labels) & (shares * len(each.labels) > 20)
        missing = float(shares[unseen].sum())
        if missing < self.unseen:
            return None
        named = ", ".join(map(str, classes[unseen][:5]))
        return self._told(
            f"{missing:.0%} of validation is of class {named}, which the first {len(each.labels)} training examples never are.",
            share_of_unseen_classes_in_validation=missing,
        )

    def _blocks(self, setup: Setup, each: Classes) -> Finding | None:
        sizes = [len(batch) for batch in _split(each.labels, setup)]
        classes, labels = np.unique(each.labels, return_inverse=True)
        if len(sizes) < 3 or len(classes) < 2 or len(labels) < 30:
            return None
        purity, mixed, spread = self._compared(labels, sizes)
        distance = (purity - mixed) / max(spread, 1e-9)
        if distance < self.beyond_chance or purity < self.purity:
            return None
        return self._told(
            f"The first batches hold hardly more than one class each: {purity:.0%} on average; shuffled, {mixed:.0%}.",
            share_of_the_largest_class_in_a_batch=purity,
            shuffled=mixed,
            standard_deviations_beyond_chance=float(distance),
        )

    def _compared(self, labels: Array, sizes: list[int]) -> tuple[float, float, float]:
        """How pure the batches are, and mean and standard deviation of the same after shuffling."""
        if min(sizes) < 4:
            # tiny batches: neighbouring ones together
            sizes = [4] * (len(labels) // 4)
            labels = labels[: sum(sizes)]
        rng = np.random.default_rng(0)
        chance = [_purity(rng.permutation(labels), sizes) for _ in range(100)]
        return _purity(labels, sizes), float(np.mean(chance)), float(np.std(chance)) or 1.0 / len(labels)

    def _told(self, explanation: str, **evidence: float) -> Finding:
        return told(
            self,
            explanation,
            "Shuffle the examples before they are split and batched, and again every epoch.",
            **evidence,
        )


def _split(labels: Array, setup: Setup) -> list[Array]:
    """The labels of each batch."""
    rows = [setup.rows or len(labels)] * len(setup.batches)
    if sum(rows) != len(labels):
        # a last batch that is shorter
        rows[-1] = len(labels) - sum(rows[:-1])
    return np.split(labels, np.cumsum(rows)[:-1])


def _purity(labels: Array, sizes: list[int]) -> float:
    parts = np.split(labels, np.cumsum(sizes)[:-1])
    return float(np.mean([np.bincount(part).max() / len(part) for part in parts if len(part)]))
