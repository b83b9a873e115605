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
    batch does not matter. Where all first batches hold one class only and validation holds others, the data is sorted,
    too. Usual causes: files read class by class, a split that cuts off the last classes, shuffle=False.
    """

    beyond_chance: float = 8.0
    purity: float = 0.85

    def check(self, setup: Setup) -> Finding | None:
        """The first target whose classes come in blocks."""
        for each in find_classes(setup):
            found = self._one_class(setup, each) or self._blocks(setup, each)
            if found is not None:
                return found
        return None

    def _one_class(self, setup: Setup, each: Classes) -> Finding | None:
        here = np.unique(each.labels)
        if len(here) > 1 or each.validation is None or len(each.labels) < 30:
            return None
        others = float(np.mean(each.validation != here[0]))
        if others < 0.2:
            return None
        return self._told(
            f"The first {len(each.labels)} examples are all of class {here[0]}, but {others:.0%} of validation are not.",
            share_of_other_classes_in_validation=others,
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
