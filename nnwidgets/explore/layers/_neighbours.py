"""What comes before and behind a value in a network, in words."""

from __future__ import annotations

from nnwidgets.lint import Traced
from nnwidgets.lint._dropouts import dropouts_of, input_dropouts_of
from nnwidgets.lint._functions import SHAPE_ONLY, plain
from nnwidgets.lint._parts import before
from nnwidgets.lint._predictions import outputs_of
from nnwidgets.lint._rows import rows_of
from nnwidgets.trace import Op, Value, innermost
from nnwidgets.trace._nonlinearities import find_nonlinearities

_PASSING = SHAPE_ONLY | {"convert_element_type", "add", "sub", "mul", "div", "add_any"}
_PRODUCTS = {"dot_general": "layer", "conv_general_dilated": "convolution"}
_WINDOWS = ("reduce_window", "reduce_window_max", "reduce_window_sum", "reduce_sum", "reduce_max")


class Neighbours:
    """Walks through a program, from layer to layer.

    Args:
        traced: the loss.
    """

    def __init__(self, traced: Traced) -> None:
        self._traced, self._ops = traced, traced.program.ops
        self._rows = rows_of(traced)
        reaches = before(traced.program, outputs_of(traced))
        functions = find_nonlinearities(traced.program, traced.calls, reaches)
        drops = [*dropouts_of(traced), *input_dropouts_of(traced)]
        self._made = {id(each.output): each.function for each in functions} | {
            id(each.output): "dropout" for each in drops
        }
        self._taken = {id(each.input): each.function for each in functions} | {
            id(each.input): "dropout" for each in drops
        }

    def behind_which(self, value: Value) -> str:
        """What made a value, biases and scales left out: "relu", "dropout", a layer's name, "a sum", "the inputs"."""
        while True:
            if id(value) in self._made:
                return self._made[id(value)]
            if value.op is None:
                return self.behind_which(value.via[0]) if value.via else "the inputs"
            op = self._ops[value.op]
            if op.primitive in _PRODUCTS:
                call = innermost(self._traced.calls, value.op)
                return call.layer if call is not None else _PRODUCTS[op.primitive]
            given = self._wide(op)
            if op.primitive not in _PASSING or len(given) != 1:
                return _other(op.primitive)
            value = given[0]

    def before_which(self, value: Value) -> str:
        """What takes a value, biases and scales left out: "relu", "dropout", a layer's name, "the loss"."""
        while True:
            if id(value) in self._taken:
                return self._taken[id(value)]
            uses = [use for use in value.uses if self._ops[use].outputs]
            if not uses:
                return "the loss"
            use = next((each for each in uses if self._ops[each].primitive in _PRODUCTS), uses[0])
            op = self._ops[use]
            if op.primitive in _PRODUCTS:
                call = innermost(self._traced.calls, use)
                return call.layer if call is not None else _PRODUCTS[op.primitive]
            if op.primitive not in _PASSING or len(self._wide(op)) != 1:
                return _other(op.primitive)
            value = op.outputs[0]

    def layer_of(self, value: Value) -> str:
        """The layer whose output a value is made of most directly; "the inputs" where there is none."""
        waiting, seen = [value], set[int]()
        while waiting:
            value = waiting.pop(0)
            if value.op is None:
                waiting += value.via
                continue
            call = innermost(self._traced.calls, value.op)
            if call is not None:
                return call.layer
            if value.op not in seen:
                seen.add(value.op)
                op = self._ops[value.op]
                # what a loop gives is what its body gave last
                given = op.inputs[len(op.eqn.invars) :] if op.is_loop else op.inputs
                waiting += [each for each in given if each.data and each.trained]
        return "the inputs"

    def _wide(self, op: Op) -> list[Value]:
        """Its inputs that differ from example to example; statistics and parameters do not."""
        return [each for each in op.inputs if self._rows.of(plain(self._traced.program, each)) is not None]


def _other(primitive: str) -> str:
    return "a sum" if primitive in ("add", "add_any", "sub") else "pooling" if primitive in _WINDOWS else primitive
