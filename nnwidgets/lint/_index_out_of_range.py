"""Indices of the batch that lie outside the table they point into."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jax.lax import GatherScatterMode

from nnwidgets.records import Finding
from nnwidgets.trace import Op, layer_of

from ._parts import before, numbers
from ._setup import Array, Setup
from ._told import told


@dataclass(frozen=True)
class IndexOutOfRange:
    """An index of the batch points outside its table, an embedding for example. JAX raises no error.

    It takes the last row instead, or fills in NaN (jnp.take, and so Flax's Embed). Measured on the first batches, after
    negative indices were counted from the end. Usual causes: a vocabulary that is one too small, a padding number
    beyond it. Labels are told of elsewhere.
    """

    def check(self, setup: Setup) -> Finding | None:
        """One finding at the first such table."""
        traced = setup.train
        used = before(traced.program, traced.program.outputs[:1])
        for index in sorted(used):
            op = traced.program.ops[index]
            if op.primitive == "gather" and self._is_table(setup, op):
                for indices in numbers(traced, op.inputs[1], setup.batches):
                    outside = self._outside(op, indices)
                    if outside.any():
                        return self._told(setup, op, indices, outside)
        return None

    def _is_table(self, setup: Setup, op: Op) -> bool:
        table, indices = op.inputs[:2]
        fields = setup.train.fields_of(indices)
        only_labels = fields <= setup.train.head.targets - setup.train.made_of
        filled = op.eqn.params.get("fill_value")
        deliberate = (
            op.eqn.params["mode"] == GatherScatterMode.FILL_OR_DROP and filled is not None and not np.isnan(filled)
        )
        return bool(fields) and not (table.data or indices.trained or only_labels or deliberate)

    def _outside(self, op: Op, indices: Array) -> Array:
        """Which of the indices (..., axes) do not fit; the last axis says where along each axis of the table."""
        axes, sizes = op.eqn.params["dimension_numbers"].start_index_map, op.eqn.params["slice_sizes"]
        last = np.array([op.inputs[0].aval.shape[axis] - sizes[axis] for axis in axes])
        return ((indices < 0) | (indices > last)).any(-1)

    def _told(self, setup: Setup, op: Op, indices: Array, outside: Array) -> Finding:
        axis = op.eqn.params["dimension_numbers"].start_index_map[0]
        rows, table = op.inputs[0].aval.shape[axis], op.inputs[0]
        paths = [setup.objective.paths[leaf] for leaf in table.origins]
        name = paths[0] if len(paths) == 1 else f"a table of shape {list(table.aval.shape)}"
        fills = op.eqn.params["mode"] == GatherScatterMode.FILL_OR_DROP
        return told(
            self,
            f"{int(outside.sum())} of {outside.size} indices of a batch lie outside {name}, which has {rows} rows: "
            + ("NaN is filled in." if fills else "JAX silently takes the nearest row."),
            f"Make the table larger than the largest index ({int(indices.max())}), or correct the indices.",
            where=layer_of(paths[0]) if len(paths) == 1 else "",
            line=setup.train.line(op),
            largest_index=int(indices.max()),
            smallest_index=int(indices.min()),
            rows=rows,
        )
