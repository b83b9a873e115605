"""Validation examples that are trained on."""

from __future__ import annotations

import hashlib
from collections import Counter
from dataclasses import dataclass

import jax
import numpy as np

from nnwidgets.records import Finding

from ._setup import Setup
from ._told import told


@dataclass(frozen=True)
class Leakage:
    """Validation examples are exactly examples of the training data: the validation loss says nothing about new data.

    Rows are compared bit by bit, the first training batches with the first validation batches, and the share that data
    with few different rows has by nature is taken off. Usual causes: validation is a slice of the training set,
    oversampling or augmentation before the split.
    """

    share: float = 0.2

    def check(self, setup: Setup) -> Finding | None:
        """The share of one in the other, whichever is larger."""
        ours, theirs = _rows(setup, setup.batches), _rows(setup, setup.validation)
        if len(ours) < 4 or len(theirs) < 4 or not _comparable(setup):
            return None
        natural = max(_repeated(_rows(setup, setup.batches[:1])), _repeated(theirs))
        in_training = float(np.mean([row in set(ours) for row in theirs]))
        in_validation = float(np.mean([row in set(theirs) for row in ours]))
        found = max(in_training, in_validation)
        if found - natural < self.share:
            return None
        which = (
            "validation examples are" if in_training >= in_validation else "training examples are validation examples"
        )
        where = "in the first training batches" if in_training >= in_validation else ", bit by bit"
        return told(
            self,
            f"{found:.0%} of the first {which} {where}.".replace(" ,", ","),
            "Split before anything else is done to the data, and keep the parts apart.",
            validation_rows_in_training=in_training,
            training_rows_in_validation=in_validation,
            repeated_by_nature=natural,
        )


def _comparable(setup: Setup) -> bool:
    return bool(setup.validation) and jax.tree.structure(setup.validation[0]) == jax.tree.structure(setup.batch)


def _rows(setup: Setup, batches: tuple) -> list[bytes]:
    """A hash of the inputs of each example."""
    inputs = [field.index for field in setup.fields if field.is_input]
    found: list[bytes] = []
    for batch in batches:
        leaves = jax.tree.leaves(batch)
        chosen = [np.ascontiguousarray(leaves[i]) for i in inputs if i < len(leaves) and np.ndim(leaves[i])]
        for row in range(min((len(leaf) for leaf in chosen), default=0)):
            found.append(hashlib.blake2b(b"".join(leaf[row].tobytes() for leaf in chosen), digest_size=16).digest())
    return found


def _repeated(rows: list[bytes]) -> float:
    """The share of rows that have a twin."""
    counts = Counter(rows)
    return sum(count for count in counts.values() if count > 1) / max(len(rows), 1)
