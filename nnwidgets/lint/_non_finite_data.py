"""NaN or infinity in the data."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import jax
import numpy as np

from nnwidgets.records import Finding

from ._setup import Field, Setup
from ._told import told


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
    bad = [i for i, batch in enumerate(setup.batches) if not _finite(jax.tree.leaves(batch)[field.index])]
    if not bad:
        return None
    array = jax.tree.leaves(setup.batches[bad[0]])[field.index]
    wrong = ~np.isfinite(array.astype(np.float32))
    rows = np.unique(np.nonzero(wrong)[0]) if array.ndim else np.zeros(1, int)
    handled = _is_handled(setup, setup.batches[bad[0]])
    return told(
        rule,
        f"{field.name} holds NaN or infinity among the {what}s: in batch {bad[0]}, {wrong.sum()} of {wrong.size} numbers."
        + (" The loss and its gradients stay finite all the same." if handled else ""),
        "Leave these rows out, or put the feature's mean in their place, before training."
        if not handled
        else "Right if the program masks them on purpose.",
        severity="note" if handled else "problem",
        batches=bad,
        rows=rows[:8].tolist(),
        numbers=int(wrong.sum()),
    )


def _is_handled(setup: Setup, batch: Any) -> bool:
    (loss, _), grads = setup.gradient(setup.params, setup.state, batch, jax.random.fold_in(setup.key, 0))
    return all(_finite(np.asarray(leaf)) for leaf in (loss, *jax.tree.leaves(grads)))


def _finite(array: Any) -> bool:
    return array.dtype.kind not in "fVc" or bool(np.isfinite(array.astype(np.complex64)).all())
