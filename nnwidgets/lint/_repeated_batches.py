"""Batches that come again."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Any

import jax
import numpy as np

from nnwidgets.records import Finding

from ._setup import Setup
from ._told import told


@dataclass(frozen=True)
class RepeatedBatches:
    """Some of the first batches are the same, bit by bit, but not in the order of an epoch that begins again.

    Usual causes: the same seed for each draw, an augmentation whose key is not split. One batch that is all the data,
    and an epoch that begins again, are not meant; that every epoch has the same order is said as a note.
    """

    def check(self, setup: Setup) -> Finding | None:
        """What comes again among the first batches."""
        marks = [_mark(batch) for batch in setup.batches]
        if len(marks) < 3 or len(set(marks)) == len(marks):
            return None
        period = next(
            (p for p in range(1, len(marks)) if all(a == b for a, b in zip(marks, marks[p:], strict=False))), None
        )
        if period == 1:
            return self._same(setup, len(marks))
        if period is not None:
            return told(
                self,
                f"The batches come again in the same order after {period} of them.",
                "Shuffle anew every epoch: another seed or key for each.",
                severity="note",
                period=period,
            )
        again = len(marks) - len(set(marks))
        return told(
            self,
            f"{again} of the first {len(marks)} batches are the same as earlier ones, bit by bit.",
            "Split the key (or advance the generator) for each batch.",
            severity="warning",
            batches=len(marks),
            different=len(set(marks)),
        )

    def _same(self, setup: Setup, count: int) -> Finding | None:
        """One batch for ever: right if it is all the data."""
        held_out = sum(
            len(jax.tree.leaves(batch)[0]) for batch in setup.validation if np.ndim(jax.tree.leaves(batch)[0])
        )
        little = setup.rows is not None and held_out > 2 * setup.rows
        return told(
            self,
            f"The first {count} batches are the same, bit by bit: " + ("one batch is all that is trained on."),
            "Right if it is all the data; else draw the next batch at each step.",
            severity="warning" if little else "note",
            rows=setup.rows,
            validation_rows=held_out,
        )


def _mark(batch: Any) -> bytes:
    parts = [np.ascontiguousarray(leaf) for leaf in jax.tree.leaves(batch)]
    return hashlib.blake2b(b"".join(str(part.shape).encode() + part.tobytes() for part in parts)).digest()
