"""NaN or infinity in the data."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import jax
import numpy as np

from nnwidgets.records import Finding

from ._setup import Field, Setup
from ._told import told

SECONDS = 0.25
"""That looking at all batches may take, for each array of a batch."""


@dataclass(frozen=True)
class NonFiniteInputs:
    """Some inputs are NaN or infinite: the loss of the batch that holds them is, too, and after one step every parameter.

    Where the program itself takes care of them (the loss and the gradients of that batch stay finite), it is only a
    note. Usual causes: missing values of a table, a division by a feature's zero spread, a logarithm of 0.
    """

    def check(self, setup: Setup) -> list[Finding]:
        """One finding for each array of the batch."""
        fields = [field for field in setup.fields if field.is_input or not field.is_target]
        return [found for field in fields if (found := _judge(self, setup, field, "input"))]


@dataclass(frozen=True)
class NonFiniteTargets:
    """Some targets are NaN or infinite: the loss of the batch that holds them is, too, and after one step every parameter.

    Where the program itself takes care of them (the loss and the gradients of that batch stay finite), it is only a
    note. Usual causes: missing values of a table, a logarithm of 0.
    """

    def check(self, setup: Setup) -> list[Finding]:
        """One finding for each array of the batch."""
        fields = [field for field in setup.fields if field.is_target and not field.is_input]
        return [found for field in fields if (found := _judge(self, setup, field, "target"))]


def _judge(rule: object, setup: Setup, field: Field, what: str) -> Finding | None:
    if field.dtype.kind not in "fVc":
        return None
    bad = {k: batch for k, batch in _alike(setup) if not _finite(np.asarray(jax.tree.leaves(batch)[field.index]))}
    if not bad:
        return None
    first, batch = next(iter(bad.items()))
    array = np.asarray(jax.tree.leaves(batch)[field.index])
    wrong = ~np.isfinite(array.astype(np.float32))
    rows = np.unique(np.nonzero(wrong)[0]) if array.ndim else np.zeros(1, int)
    handled = _is_handled(setup, batch)
    return told(
        rule,
        f"{field.name} holds NaN or infinity among the {what}s: in batch {first}, {wrong.sum()} of {wrong.size} numbers."
        + (" The loss and its gradients stay finite all the same." if handled else ""),
        "Leave these rows out, or put the feature's mean in their place, before training."
        if not handled
        else "Right if the program masks them on purpose.",
        severity="note" if handled else "problem",
        batches=list(bad),
        rows=rows[:8].tolist(),
        numbers=int(wrong.sum()),
    )


def _alike(setup: Setup) -> Iterator[tuple[int, Any]]:
    """The first batches, and all others of their shapes that lie ready, as far as the time goes; numbered."""
    yield from enumerate(setup.batches)
    ends, shapes = time.perf_counter() + SECONDS, _shapes(setup.batch)
    for k, batch in enumerate(setup.ready):
        if time.perf_counter() > ends:
            return
        if k >= len(setup.batches) and _shapes(batch) == shapes:
            yield k, batch


def _shapes(batch: Any) -> list[tuple[int, ...]]:
    return [np.shape(leaf) for leaf in jax.tree.leaves(batch)]


def _is_handled(setup: Setup, batch: Any) -> bool:
    (loss, _), grads = setup.gradient(setup.params, setup.state, batch, jax.random.fold_in(setup.key, 0))
    return all(_finite(np.asarray(leaf)) for leaf in (loss, *jax.tree.leaves(grads)))


def _finite(array: Any) -> bool:
    if array.dtype.kind == "V":  # bfloat16 and its like
        array = array.astype(np.float32)
    return array.dtype.kind not in "fc" or bool(np.isfinite(array).all())
