"""The end of the network: the last layer's output, and what the loss makes of it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from nnwidgets.trace import Op, Value

from ._functions import Function, find_functions, maker, plain
from ._parts import after

if TYPE_CHECKING:
    from ._setup import Setup, Traced

PROBABILITIES = ("softmax", "sigmoid", "normalize")
LOG_SOFTMAX = ("log_softmax", "logsumexp")
# What a probability may go through on its way to where it is used, and still be one: a bound, a small number added, a choice.
_CARRY = frozenset(
    {"max", "min", "clamp", "gather", "select_n", "dynamic_slice", "slice", "concatenate", "convert_element_type"}
)
_AFFINE = frozenset({"add", "sub", "mul", "div", "neg"})


@dataclass(frozen=True, eq=False)
class Label:
    """Where the loss takes a class number from the batch.

    Attributes:
        value: the number, as it is before it is used as an index.
        classes: how many there are.
        op: the operation that uses it.
        field: which of the batch's arrays it comes from.
        chosen: what is indexed; None where it becomes a one-hot row.
    """

    value: Value
    classes: int
    op: Op
    field: int
    chosen: Value | None = None


class Head:
    """The last layer's output and the loss that follows it.

    Attributes:
        logits: what the last layers that the loss uses give, before any activation; empty where no layer was found.
        layers: paths of these layers.
        functions: softmax, logarithms and so on that follow, in the order in which they are computed.
        targets: indices of the batch's arrays that meet the outputs there.
    """

    def __init__(self, traced: Traced, setup: Setup) -> None:
        self._traced, self._setup = traced, setup
        self._ops = traced.program.ops
        self._loss_side = self._before(traced.program.outputs[0])
        self.layers, self.all_logits = self._find_logits()
        self._after = after(self._traced.program, self.all_logits)
        everything = find_functions(traced.program)
        inside = set(map(id, self._tail))
        self.functions = [each for each in everything if id(each.op) in inside]
        self.targets = frozenset(
            field
            for op in self._tail
            for value in op.inputs
            if self._outside(value)
            for field in traced.fields_of(value)
        )

    @property
    def logits(self) -> Value | None:
        """What the last of these layers gives."""
        return self.all_logits[-1] if self.all_logits else None

    @cached_property
    def _tail(self) -> list[Op]:
        """The operations of the loss: those that depend on the logits and that the loss depends on."""
        return [op for i, op in enumerate(self._ops) if i in self._after and i in self._loss_side]

    @property
    def tail(self) -> list[Op]:
        """The operations between the logits and the loss, in order."""
        return self._tail

    @cached_property
    def differences(self) -> list[tuple[Op, Value, Value]]:
        """Each subtraction of outputs and targets in the loss: the operation, what is made of the outputs, and the target."""
        found = []
        for op in self._tail:
            if op.primitive in ("sub", "squared_difference") and len(op.inputs) == 2:
                for ours, theirs in (op.inputs, op.inputs[::-1]):
                    if self.trained(ours) and self._outside(theirs):
                        found.append((op, ours, theirs))
        return found

    @cached_property
    def loss(self) -> str:
        """The kind of the loss, by the name of the field; "" where it is not known."""
        logs = self.kinds("log")
        if self.kinds("log_softmax", "logsumexp") or any(self.feeding(f.input, ("softmax", "normalize")) for f in logs):
            return "softmax cross-entropy" if self.targets else ""
        if any(map(self._is_binary, self.kinds("softplus"))) or any(self.feeding(f.input, ("sigmoid",)) for f in logs):
            return "sigmoid cross-entropy" if self.targets else ""
        program = self._traced.program
        for op, _, _ in self.differences:
            uses = [each for each in self.kinds("square", "abs") if plain(program, each.input).op == op.outputs[0].op]
            if uses:
                return "squared error" if uses[0].name == "square" else "absolute error"
        return ""

    def _is_binary(self, softplus: Function) -> bool:
        """Whether it is the logarithm of a probability: of the outputs alone, and not compared with a target itself."""
        alone = not self._traced.fields_of(softplus.input) & (self.targets - self._traced.made_of)
        later = after(self._traced.program, [softplus.output])
        return alone and not any(ours.op in later for _, ours, _ in self.differences if ours.op is not None)

    def kinds(self, *names: str) -> list[Function]:
        """The functions of these names."""
        return [each for each in self.functions if each.name in names]

    def trained(self, value: Value) -> bool:
        """Whether a value is made of the outputs."""
        value = plain(self._traced.program, value)
        return any(value is each for each in self.all_logits) or (value.op is not None and value.op in self._after)

    def _outside(self, value: Value) -> bool:
        return value.data and not self.trained(value) and not value.trained

    def path(self, start: Value, end: Value, through: frozenset[str] = _CARRY, *, scaled: bool = False) -> bool:
        """Whether `end` is `start` after changes of shape, bounds, choices, and, with `scaled`, products with constants."""
        program = self._traced.program
        start, waiting, seen = plain(program, start), [end], set[int]()
        while waiting:
            value = plain(program, waiting.pop())
            if value is start:
                return True
            if value.op is None or id(value) in seen:
                continue
            seen.add(id(value))
            op = self._ops[value.op]
            if (
                op.primitive in through
                or (op.primitive in ("add", "max", "min") and self._tiny(op))
                or (scaled and op.primitive in _AFFINE and len([v for v in op.inputs if v.data]) == 1)
            ):
                waiting += [each for each in op.inputs if each.data]
            elif op.primitive == "sub" and self._is_one(op.inputs[0]):
                # 1 - p
                waiting.append(op.inputs[1])
        return False

    def _tiny(self, op: Op) -> bool:
        return any((c := plain(self._traced.program, v).const) is not None and abs(c) <= 1e-3 for v in op.inputs)

    def _is_one(self, value: Value) -> bool:
        return plain(self._traced.program, value).const == 1.0

    def feeding(self, value: Value, names: Sequence[str], *, scaled: bool = False) -> Function | None:
        """The newest function of these names whose output a value is, but for shape and bounds."""
        return next((f for f in reversed(self.kinds(*names)) if self.path(f.output, value, scaled=scaled)), None)

    def is_logits(self, value: Value, *, scaled: bool = False) -> bool:
        """Whether a value is one of the logits, but for shape and bounds."""
        return any(self.path(each, value, scaled=scaled) for each in self.all_logits)

    def labels(self) -> Iterator[Label]:
        """Where class numbers of the batch choose among values, or become one-hot rows."""
        for i, op in enumerate(self._ops):
            if i not in self._loss_side:
                continue
            if op.primitive == "gather" and self.trained(op.inputs[0]) and len(op.inputs) > 1:
                yield from self._label(op, op.inputs[1], self._gathered(op), op.inputs[0])
            elif op.primitive == "eq":
                for value, other in (op.inputs, op.inputs[::-1]):
                    counting = maker(self._traced.program, other)
                    if counting is not None and counting.primitive == "iota" and value.data:
                        axis = counting.eqn.params["dimension"]
                        yield from self._label(op, value, counting.outputs[0].aval.shape[axis], None)
                    elif self._counts(other) and value.data and not value.trained:
                        yield from self._label(op, value, max(plain(self._traced.program, other).aval.shape), None)

    def _counts(self, value: Value) -> bool:
        """Whether it is 0, 1, 2, ... made elsewhere than in the program, as NumPy's arange is."""
        value = plain(self._traced.program, value)
        return (
            value.op is None
            and not value.data
            and not value.trained
            and value.aval.dtype.kind in "iu"
            and value.aval.size > 1
        )

    def _gathered(self, op: Op) -> int:
        numbers = op.eqn.params["dimension_numbers"]
        axes = numbers.start_index_map
        return op.inputs[0].aval.shape[axes[-1]] if axes else 0

    def _label(self, op: Op, value: Value, classes: int, chosen: Value | None) -> Iterator[Label]:
        value = self._unwrapped(value)
        fields = self._traced.fields_of(value)
        if classes and len(fields) == 1 and not value.trained:
            yield Label(value, classes, op, next(iter(fields)), chosen)

    def _unwrapped(self, value: Value) -> Value:
        """The index before a negative one was turned round, and before it was joined with row numbers."""
        program = self._traced.program
        while (op := maker(program, value)) is not None:
            data = [v for v in op.inputs if v.data]
            if (
                op.primitive == "select_n"
                and (test := maker(program, op.inputs[0])) is not None
                and test.primitive == "lt"
            ):
                value = test.inputs[0]
            elif op.primitive in ("concatenate", "clamp") and len(data) == 1:
                value = data[0]
            else:
                break
        return plain(program, value)

    def _before(self, value: Value) -> frozenset[int]:
        """The operations that a value is made by, directly or not."""
        loops = {op.address: i for i, op in enumerate(self._ops) if op.is_loop}
        waiting, reached = [value], set[int]()
        while waiting:
            value = waiting.pop()
            waiting += value.via
            if value.op is not None and value.op not in reached:
                reached.add(value.op)
                waiting += self._ops[value.op].inputs
                for _, address in self._ops[value.op].loops:
                    waiting += self._ops[loops[address]].inputs if address in loops else []
        return frozenset(reached)

    def _find_logits(self) -> tuple[tuple[str, ...], tuple[Value, ...]]:
        """The outputs of the layers after which no parameter comes any more on the way to the loss."""
        consumers = {i for call in self._traced.calls for i in call.consumed}
        found: list[tuple[str, Value]] = []
        for call in self._traced.calls:
            used = [i for i in call.consumed if i in self._loss_side]
            if not used:
                continue
            value = self._ops[used[-1]].outputs[0]
            if self._ops[used[-1]].loops:
                # inside a loop: what leaves the loop
                value = self._outer(self._ops[used[-1]])
            if value is not None and not (after(self._traced.program, [value]) & consumers - {used[-1]}):
                found.append((call.layer, value))
        return tuple(layer for layer, _ in found), tuple(value for _, value in found)

    def _outer(self, op: Op) -> Value | None:
        address = op.loops[0][1]
        loop = next((each for each in self._ops if each.is_loop and each.address == address), None)
        outputs = [v for v in loop.outputs if v.uses or v is self._traced.program.outputs[0]] if loop else []
        return outputs[-1] if outputs else None


def find_head(traced: Traced, setup: Setup) -> Head:
    """The head of a traced loss."""
    return Head(traced, setup)
