"""Along which axis of each value the examples of the batch lie, followed through the program."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod
from typing import Any

from nnwidgets.trace import Op, Value, scan_counts

from ._once import once
from ._setup import Traced

# What keeps the shape and yet mixes along an axis, or does not say along which.
_UNKNOWN = frozenset(
    {"fft", "cholesky", "triangular_solve", "eigh", "svd", "lu", "qr", "scatter", "scatter-add", "scatter_add"}
)
_ALONG = {
    "cumsum": "axis",
    "cumprod": "axis",
    "cummax": "axis",
    "cummin": "axis",
    "cumlogsumexp": "axis",
    "sort": "dimension",
}
_REDUCED = "reduced"


@dataclass(frozen=True)
class Axis:
    """Where the examples lie: along an axis of length ``outer * examples * inner``.

    Attributes:
        axis: which.
        outer: what is merged with them on the left.
        inner: what is merged with them on the right: positions, after a reshape to (batch * positions, features).
    """

    axis: int
    outer: int = 1
    inner: int = 1


class Rows:
    """The examples' axis of the values of a program.

    Attributes:
        count: how many examples there are.
        lost: for each operation after which the axis is no longer there or no longer known: "reduced", "reshaped",
            "contracted", "pairs" or "unknown".
    """

    def __init__(self, traced: Traced) -> None:
        self.lost: dict[int, str] = {}
        self._axes: dict[int, Axis | None] = {}
        lengths = [field.aval.shape[0] for field in traced.fields if field.aval.shape]
        self.count = lengths[0] if lengths else 0
        for field in traced.fields:
            if field.aval.shape and field.aval.shape[0] == self.count:
                self._axes[id(field)] = Axis(0)
        for index, op in enumerate(traced.program.ops):
            self._follow(index, op)

    def of(self, value: Value) -> Axis | None:
        """The examples' axis of a value; None where there is none, or it is not known."""
        if id(value) not in self._axes and value.via:
            outer = self.of(value.via[0])
            sliced = len(value.via[0].aval.shape) - len(value.aval.shape)
            inner = (
                None if outer is None or outer.axis < sliced else Axis(outer.axis - sliced, outer.outer, outer.inner)
            )
            self._axes[id(value)] = inner
        return self._axes.get(id(value))

    def _follow(self, index: int, op: Op) -> None:
        if op.is_loop:
            self._leave(op)
            return
        inputs = [self.of(value) for value in op.inputs]
        if not any(inputs) or not op.outputs:
            return
        found = self._step(op, inputs)
        if isinstance(found, str):
            self.lost[index] = found
            return
        for output in op.outputs:
            if found.axis < len(output.aval.shape):
                self._axes[id(output)] = found

    def _leave(self, op: Op) -> None:
        """A loop's outputs: those that it carries like the body's results, those that it stacks with one axis more."""
        carried = scan_counts(op.eqn)[1] if op.primitive == "scan" else len(op.outputs)
        results = op.inputs[len(op.eqn.invars) :]
        for k, output in enumerate(op.outputs):
            inner = self.of(results[k]) if k < len(results) else None
            if inner is not None:
                self._axes[id(output)] = Axis(inner.axis + (k >= carried), inner.outer, inner.inner)

    def _step(self, op: Op, inputs: Sequence[Axis | None]) -> Axis | str:
        step = _STEPS.get(op.primitive)
        if step is not None:
            return step(self, op, inputs)
        known = {axis for axis in inputs if axis is not None}
        shapes = [(v.aval.shape, axis.axis) for v, axis in zip(op.inputs, inputs, strict=True) if axis is not None]
        made = op.outputs[0].aval.shape
        # an axis of length 1 may be spread along another one
        same = all(len(shape) == len(made) and shape[axis] == made[axis] for shape, axis in shapes)
        if op.primitive in _UNKNOWN or not same:
            return "unknown"
        return known.pop() if len(known) == 1 else "pairs"

    def _transpose(self, op: Op, inputs: Sequence[Axis | None]) -> Axis | str:
        here = _first(inputs)
        return Axis(op.eqn.params["permutation"].index(here.axis), here.outer, here.inner)

    def _broadcast(self, op: Op, inputs: Sequence[Axis | None]) -> Axis | str:
        here = _first(inputs)
        return Axis(op.eqn.params["broadcast_dimensions"][here.axis], here.outer, here.inner)

    def _reshape(self, op: Op, inputs: Sequence[Axis | None]) -> Axis | str:
        here, old, new = _first(inputs), op.inputs[0].aval.shape, op.outputs[0].aval.shape
        left = prod(old[: here.axis]) * here.outer
        for axis in range(len(new)):
            whole = prod(new[:axis])
            if left % whole == 0 and new[axis] % (left // whole * self.count) == 0:
                outer = left // whole
                return Axis(axis, outer, new[axis] // (outer * self.count))
        return "reshaped"

    def _squeeze(self, op: Op, inputs: Sequence[Axis | None]) -> Axis | str:
        return self._without(_first(inputs), op.eqn.params["dimensions"])

    def _reduce(self, op: Op, inputs: Sequence[Axis | None]) -> Axis | str:
        return self._without(_first(inputs), op.eqn.params["axes"])

    def _without(self, here: Axis, axes: Sequence[int]) -> Axis | str:
        if here.axis in axes:
            return _REDUCED
        return Axis(here.axis - sum(axis < here.axis for axis in axes), here.outer, here.inner)

    def _product(self, op: Op, inputs: Sequence[Axis | None]) -> Axis | str:
        (sums, batches) = op.eqn.params["dimension_numbers"]
        found: list[Axis] = []
        for side, here in enumerate(inputs[:2]):
            if here is None:
                continue
            if here.axis in sums[side]:
                return "contracted"
            if here.axis in batches[side]:
                found.append(Axis(batches[side].index(here.axis), here.outer, here.inner))
                continue
            free = [a for a in range(len(op.inputs[side].aval.shape)) if a not in (*sums[side], *batches[side])]
            start = len(op.outputs[0].aval.shape) - len(free) if side else len(batches[0])
            found.append(Axis(start + free.index(here.axis), here.outer, here.inner))
        return found[0] if len(set(found)) == 1 else "pairs"

    def _convolution(self, op: Op, inputs: Sequence[Axis | None]) -> Axis | str:
        numbers, here = op.eqn.params["dimension_numbers"], inputs[0]
        plain = here is not None and here.axis == numbers.lhs_spec[0] and op.eqn.params["batch_group_count"] == 1
        return Axis(numbers.out_spec[0], here.outer, here.inner) if here is not None and plain else "unknown"

    def _gather(self, op: Op, inputs: Sequence[Axis | None]) -> Axis | str:
        numbers, (operand, indices) = op.eqn.params["dimension_numbers"], inputs[:2]
        rank, offsets = len(op.outputs[0].aval.shape), numbers.offset_dims
        if indices is not None:
            batch = [axis for axis in range(rank) if axis not in offsets]
            return Axis(batch[indices.axis], indices.outer, indices.inner) if indices.axis < len(batch) else "unknown"
        assert operand is not None
        gone = (*numbers.collapsed_slice_dims, *getattr(numbers, "operand_batching_dims", ()))
        kept = [axis for axis in range(len(op.inputs[0].aval.shape)) if axis not in gone]
        whole = op.eqn.params["slice_sizes"][operand.axis] == op.inputs[0].aval.shape[operand.axis]
        if operand.axis not in kept or not whole:
            return "unknown"
        return Axis(offsets[kept.index(operand.axis)], operand.outer, operand.inner)

    def _window(self, op: Op, inputs: Sequence[Axis | None]) -> Axis | str:
        here = _first(inputs)
        return here if op.eqn.params["window_dimensions"][here.axis] == 1 else "unknown"

    def _same_length(self, op: Op, inputs: Sequence[Axis | None]) -> Axis | str:
        """A slice, a padding, a concatenation: along other axes."""
        known = {axis for axis in inputs if axis is not None}
        here = _first(inputs)
        lengths = {v.aval.shape[here.axis] for v, axis in zip(op.inputs, inputs, strict=True) if axis is not None}
        if len(known) > 1 or {output.aval.shape[here.axis] for output in op.outputs} != lengths:
            return "unknown"
        return here

    def _along(self, op: Op, inputs: Sequence[Axis | None]) -> Axis | str:
        here = _first(inputs)
        return "unknown" if op.eqn.params[_ALONG[op.primitive]] == here.axis else here

    def _reversed(self, op: Op, inputs: Sequence[Axis | None]) -> Axis | str:
        here = _first(inputs)
        return "unknown" if here.axis in op.eqn.params["dimensions"] else here


def _first(inputs: Sequence[Axis | None]) -> Axis:
    return next(axis for axis in inputs if axis is not None)


_STEPS: dict[str, Any] = {
    "transpose": Rows._transpose,
    "broadcast_in_dim": Rows._broadcast,
    "reshape": Rows._reshape,
    "squeeze": Rows._squeeze,
    "dot_general": Rows._product,
    "conv_general_dilated": Rows._convolution,
    "gather": Rows._gather,
    "rev": Rows._reversed,
    **dict.fromkeys(
        ("reduce_sum", "psum", "reduce_max", "reduce_min", "reduce_prod", "reduce_and", "reduce_or"), Rows._reduce
    ),
    **dict.fromkeys(("argmax", "argmin"), Rows._reduce),
    **dict.fromkeys(
        ("slice", "dynamic_slice", "dynamic_update_slice", "pad", "concatenate", "split"), Rows._same_length
    ),
    **dict.fromkeys(("reduce_window", "reduce_window_max", "reduce_window_sum"), Rows._window),
    **dict.fromkeys(_ALONG, Rows._along),
}


@once
def rows_of(traced: Traced) -> Rows:
    """The examples' axes of a program."""
    return Rows(traced)
