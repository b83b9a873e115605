"""Errors that are averaged over the batch before they are squared."""

from __future__ import annotations

from dataclasses import dataclass

from nnwidgets.records import Finding
from nnwidgets.trace import Op, Value

from ._setup import Setup, Traced
from ._told import told

_LINEAR = frozenset({"convert_element_type", "reshape", "squeeze", "transpose", "broadcast_in_dim", "neg", "copy"})
_CURVED = frozenset({"square", "integer_pow", "abs", "pow", "exp", "log", "sqrt", "logistic", "max"})


@dataclass(frozen=True)
class MeanBeforeLoss:
    """The differences of outputs and targets are averaged over the examples, and only then squared (or made positive).

    Errors of opposite sign cancel out: the loss is 0 as soon as the mean of the outputs is right, and every example
    gets the same gradient. Seen from the program: a sum over the examples stands between the difference and the
    function that makes a loss of it.
    """

    def check(self, setup: Setup) -> Finding | None:
        """The first such sum."""
        traced, rows = setup.train, setup.rows
        if rows is None or rows < 2:
            return None
        for op, _, _ in traced.head.differences:
            value = op.outputs[0]
            if not value.aval.shape or value.aval.shape[0] != rows:
                continue
            total = _summed(traced, value)
            if total is not None and (curved := _next(traced, total.outputs[0], _CURVED)) is not None:
                return told(
                    self,
                    "The errors are averaged over the examples of the batch before the loss is taken of them: "
                    "those of opposite sign "
                    "cancel out, and only the mean of the outputs is taught.",
                    "Take the square (or absolute value) of each example's error first, then the mean over the batch.",
                    where=traced.head.layers[-1] if traced.head.layers else "",
                    line=traced.line(curved),
                    averaged_at=traced.line(total) or "",
                    examples=rows,
                )
        return None


def _summed(traced: Traced, value: Value) -> Op | None:
    """The sum over the first axis that comes next, if nothing but a factor stands between."""
    return _next(traced, value, frozenset({"reduce_sum"}), first_axis=True)


def _next(traced: Traced, value: Value, wanted: frozenset[str], *, first_axis: bool = False) -> Op | None:
    """The one operation of this kind that a value goes into, if all that stands between is linear."""
    for _ in range(8):
        ops = [traced.program.ops[i] for i in dict.fromkeys(value.uses)]
        if len(ops) != 1:
            return None
        (op,) = ops
        if op.primitive in wanted:
            return op if not first_axis or 0 in op.eqn.params["axes"] else None
        square = op.primitive == "mul" and op.inputs[0] is op.inputs[1]
        if square:
            return op if "square" in wanted else None
        factor = op.primitive in ("mul", "div") and sum(each.data for each in op.inputs) == 1
        if op.primitive not in _LINEAR and not factor and not (op.primitive == "reduce_sum" and not first_axis):
            return None
        value = op.outputs[0]
    return None
