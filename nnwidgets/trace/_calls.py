"""Which operations belong to which layer: found from the parameters that they consume and the functions they stand in."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from ._program import Op, Program, Value

# What frameworks call the method that runs a layer.
_CALL_METHODS = ("__call__", "call")


@dataclass(frozen=True)
class Call:
    """One call of a layer.

    Attributes:
        layer: the layer's path.
        start: index of its first operation.
        stop: index after its last one.
        output: the value that leaves it.
        consumed: indices of the operations that mix its parameters with data.
    """

    layer: str
    start: int
    stop: int
    output: Value
    consumed: tuple[int, ...]


def layer_of(path: str) -> str:
    """The layer that a parameter belongs to: its path without the last part; one at the root is its own.

    Example:
        >>> layer_of("Dense_0/kernel"), layer_of("scale")
        ('Dense_0', 'scale')
    """
    return path.rpartition("/")[0] or path


def owners(paths: Sequence[str]) -> tuple[str, ...]:
    """The layer that each parameter belongs to, see `layer_of`.

    Example:
        >>> owners(("Dense_0/kernel", "Dense_0/bias", "scale"))
        ('Dense_0', 'Dense_0', 'scale')
    """
    return tuple(map(layer_of, paths))


def find_calls(program: Program, paths: Sequence[str]) -> list[Call]:
    """The calls of all layers, in the order of their outputs.

    A layer is called where an operation mixes one of its parameters with data. The call is then the whole activation of
    the Python function round it (the framework's ``__call__``, or the user's own function for one layer), if no other
    layer's parameters are consumed in there; else, as in a loss written in one piece, just these operations.
    """
    layer_of = owners(paths)
    consumed: dict[int, dict[int, str]] = {}
    for index, op in enumerate(program.ops):
        found = {} if op.is_loop else {leaf: layer_of[leaf] for leaf in sorted(_mixed_in(op, program))}
        if found:
            consumed[index] = found
    finder = _Finder(program, consumed)
    calls = [call for layer in dict.fromkeys(layer_of) for call in finder.calls(layer)]
    return sorted(calls, key=lambda call: (call.output.op or 0, call.start))


def _mixed_in(op: Op, program: Program) -> frozenset[int]:
    """The parameters that it mixes with data; one that was summed up before, as in a penalty, is none."""
    if not any(value.data for value in op.outputs):
        return frozenset()
    leaves = frozenset().union(*(value.origins for value in op.inputs if value.aval.shape))
    scalars = frozenset().union(*(value.origins for value in op.inputs if not value.aval.shape))
    return leaves | {leaf for leaf in scalars if not program.parameters[leaf].shape}


class _Finder:
    def __init__(self, program: Program, consumed: dict[int, dict[int, str]]) -> None:
        self._program, self._ops, self._consumed = program, program.ops, consumed
        self._outputs = set(map(id, program.outputs))

    def calls(self, layer: str) -> list[Call]:
        mine = [index for index, found in self._consumed.items() if layer in found.values()]
        spans: list[tuple[int, int]] = []
        for index in mine:
            if any(start <= index < stop for start, stop in spans):
                continue
            span = self._span(layer, index)
            spans = [each for each in spans if not (span[0] <= each[0] and each[1] <= span[1])] + [span]
        spans = self._chained(layer, spans)
        calls = []
        for start, stop in spans:
            output = self._leaving(start, stop)
            if output is not None:
                calls.append(Call(layer, start, stop, output, tuple(i for i in mine if start <= i < stop)))
        return calls

    def _span(self, layer: str, index: int) -> tuple[int, int]:
        stack = self._ops[index].stack
        inside = reversed(range(self._ops[index].body_depth, len(stack)))
        mine = [depth for depth in inside if not (stack[depth].in_jax or stack[depth].in_nnwidgets)]
        methods = [depth for depth in mine if stack[depth].function.rpartition(".")[2] in _CALL_METHODS]
        for depth in (*methods, *mine):
            span = self._activation(layer, index, depth)
            if span is not None and not self._holds_the_loss(span):
                return span
        return index, index + 1

    def _activation(self, layer: str, index: int, depth: int) -> tuple[int, int] | None:
        """The run of this function that an operation stands in; None if other layers' parameters are consumed in it."""
        key = self._ops[index].functions[depth]
        start, stop = index, index + 1
        seen: set[tuple[int, int]] = set()
        if not self._mine(layer, index, depth, seen):
            return None
        # A step back in the function's code may be a loop in it, or its next activation: that of another layer, or again.
        while start and self._ops[start - 1].within(depth, key):
            back = self._position(start - 1, depth) > self._position(start, depth)
            if not self._mine(layer, start - 1, depth, seen):
                if back:
                    break
                return None
            start -= 1
        while stop < len(self._ops) and self._ops[stop].within(depth, key):
            back = self._position(stop, depth) < self._position(stop - 1, depth)
            if back and self._next_is_foreign(layer, stop, depth, key, seen):
                break
            if not self._mine(layer, stop, depth, seen):
                return None
            stop += 1
        return start, stop

    def _mine(self, layer: str, index: int, depth: int, seen: set[tuple[int, int]]) -> bool:
        for leaf, owner in self._consumed.get(index, {}).items():
            use = (leaf, self._position(index, depth))
            if (owner != layer and not owner.startswith(layer + "/")) or use in seen:
                return False
            seen.add(use)
        return True

    def _next_is_foreign(self, layer: str, start: int, depth: int, key: int, seen: set[tuple[int, int]]) -> bool:
        index = start
        while index < len(self._ops) and self._ops[index].within(depth, key):
            if index in self._consumed:
                return not self._mine(layer, index, depth, set(seen))
            index += 1
        return False

    def _position(self, index: int, depth: int) -> int:
        return self._ops[index].stack[depth].position

    def _holds_the_loss(self, span: tuple[int, int]) -> bool:
        made_by = self._program.outputs[0].op
        return made_by is not None and span[0] <= made_by < span[1]

    def _chained(self, layer: str, spans: list[tuple[int, int]]) -> list[tuple[int, int]]:
        """Single operations that follow one another directly, such as a product and the bias added to it, as one span."""
        joined: list[tuple[int, int]] = []
        for start, stop in sorted(spans):
            if joined and stop - start == 1 and self._follows(layer, joined[-1], start):
                joined[-1] = (joined[-1][0], stop)
            else:
                joined.append((start, stop))
        return joined

    def _follows(self, layer: str, span: tuple[int, int], index: int) -> bool:
        between = range(span[0], index)
        foreign = any(owner != layer for i in between for owner in self._consumed.get(i, {}).values())
        again = {leaf for i in between for leaf in self._consumed.get(i, {})} & set(self._consumed[index])
        made = {id(value) for i in range(*span) for value in self._ops[i].outputs}
        return (
            not foreign and not again and any(id(source(value, self._ops)) in made for value in self._ops[index].inputs)
        )

    def _leaving(self, start: int, stop: int) -> Value | None:
        for op in reversed(self._ops[start:stop]):
            for value in op.outputs:
                outside = any(not start <= use < stop for use in value.uses) or id(value) in self._outputs
                if outside and value.data and value.trained:
                    return value
        return None


def innermost(calls: Iterable[Call], index: int) -> Call | None:
    """The shortest call that an operation is part of."""
    inside = [call for call in calls if call.start <= index < call.stop]
    return min(inside, key=lambda call: call.stop - call.start, default=None)


def source(value: Value, ops: Sequence[Op]) -> Value:
    """What a value was before it was only reshaped, transposed or cast."""
    while value.op is not None and ops[value.op].primitive in _SHAPE_ONLY:
        value = ops[value.op].inputs[0]
    return value


_SHAPE_ONLY = ("reshape", "transpose", "squeeze", "expand_dims", "convert_element_type", "broadcast_in_dim", "copy")
