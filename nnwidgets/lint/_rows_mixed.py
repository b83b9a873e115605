"""Outputs of one example that depend on other examples."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import jax
import numpy as np

from nnwidgets.records import Finding
from nnwidgets.trace import Op

from ._batch_norms import batch_norms_of
from ._parts import before
from ._predictions import changed, outputs_of, predict, shaken
from ._rows import rows_of
from ._setup import Setup
from ._told import told

_HOW = {
    "reshaped": "a reshape puts numbers of different examples into one row (where perhaps a transpose was meant)",
    "reduced": "a sum, mean or maximum runs along the axis of the examples",
    "contracted": "a product sums over the axis of the examples",
    "pairs": "every example is combined with every other one",
    "unknown": "an operation mixes the examples",
}


@dataclass(frozen=True)
class RowsMixed:
    """In evaluation, what the network says of an example changes when another example of the batch is replaced.

    Measured: the first row of the inputs is replaced by the last, and the outputs of the rows between are compared. A
    reshape that tears the rows is a problem; other ways of mixing may be meant (a graph, sets). Statistics of a batch
    norm are told of elsewhere.
    """

    def check(self, setup: Setup) -> Finding | None:
        """One finding with the operation that mixes, where it is known."""
        rows = setup.rows
        outputs = outputs_of(setup.evaluation)
        by_row = [k for k, value in enumerate(outputs) if _is_by_row(value.aval.shape, rows)]
        if rows is None or rows < 3 or not by_row or batch_norms_of(setup.evaluation).found:
            return None
        params, batch = shaken(setup), jax.tree.map(_replaced, setup.batch)
        usual, other = predict(setup, params=params), predict(setup, batch, params)
        moved = [changed(usual[k], other[k])[1:].reshape(rows - 1, -1).any(1) for k in by_row]
        count = int(np.any(moved, axis=0).sum())
        if not count:
            return None
        how, op = self._cause(setup)
        return told(
            self,
            f"Replacing one example changed the outputs of {count} of the {rows - 1} others: {_HOW[how]}.",
            "Keep the examples on the first axis through the whole network; turn axes with transpose, not with reshape."
            if how == "reshaped"
            else "Let every operation work along other axes than that of the examples, unless they are meant to see "
            "each other.",
            severity="problem" if how == "reshaped" else "warning",
            line=setup.evaluation.line(op),
            rows_changed=count,
            rows=rows,
        )

    def _cause(self, setup: Setup) -> tuple[str, Op | None]:
        traced = setup.evaluation
        used, lost = before(traced.program, outputs_of(traced)), rows_of(traced).lost
        for kind in ("reshaped", "reduced", "contracted", "pairs"):
            places = [i for i, each in lost.items() if each == kind and i in used]
            if places:
                return kind, traced.program.ops[min(places)]
        return "unknown", None


def _is_by_row(shape: tuple[int, ...], rows: int | None) -> bool:
    # a table of similarities has the examples along both axes
    return bool(shape) and shape[0] == rows and shape[1:] != (rows,)


def _replaced(leaf: Any) -> Any:
    return np.concatenate([leaf[-1:], leaf[1:]])
