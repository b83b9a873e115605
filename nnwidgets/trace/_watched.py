"""The intermediate values that are worth watching, named."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from ._calls import Call, innermost
from ._nonlinearities import find_nonlinearities
from ._program import Program, Value
from ._replay import Place
from ._units import unit_axes


@dataclass(frozen=True, eq=False)
class Watched:
    """An intermediate value that can be captured; compared by identity, as it's part of a compiled program's key.

    Attributes:
        name: its key in what `Trace.capture` gives, e.g. ``"Dense_0"``, ``"Dense_0/relu/input"``; the second call of a layer
            is ``"Dense_0 (2)"``, the first of the layers that a scan runs through ``"blocks[0]"``.
        layer: path of the layer that gave it, or whose output the nonlinearity takes.
        role: ``"output"``, ``"nonlinearity_input"`` or ``"nonlinearity_output"``.
        function: name of the nonlinearity as in `jax.nn`, else ``""``.
        shape: its shape; in a scan over time with the iterations as a first axis.
        dtype: its dtype.
        unit_axis: the axis along which its units (neurons, channels) lie, counted from the end.
    """

    name: str
    layer: str
    role: str
    function: str
    shape: tuple[int, ...]
    dtype: Any
    unit_axis: int = -1


class Taken(NamedTuple):
    """How a watched value is taken from the program: where, of which iteration, and whether its units are moved last."""

    place: Place
    iteration: int | None
    units_last: bool

    def of(self, found: dict[Place, jax.Array]) -> jax.Array:
        """The value, from what `values_at` found."""
        value = found[self.place] if self.iteration is None else found[self.place][self.iteration]
        return jnp.moveaxis(value, 0, -1) if self.units_last else value


def find_watched(program: Program, calls: list[Call], outputs: list[Value]) -> list[tuple[Watched, Taken]]:
    """Each layer's output and each nonlinearity's input and output, in the order in which they are made.

    Args:
        program: the flat program.
        calls: its layers' calls.
        outputs: the network's outputs, where they are known; nonlinearities are looked for before them.
    """
    namer = _Namer(program)
    found: list[tuple[int, list[tuple[Watched, Taken]]]] = []
    for call in calls:
        found.append((call.output.op or 0, namer.named(call.output, call.layer, "output")))
    last = outputs or [value for call in calls for i in call.consumed for value in program.ops[i].outputs]
    newest = _newest_calls(program, calls)
    for each in find_nonlinearities(program, calls, _before(program, last, iterations=True)):
        call = innermost(calls, each.output.op or 0) or newest[each.output.op or 0]
        layer = call.layer if call is not None else ""
        both = namer.named(each.input, layer, "nonlinearity_input", each.function)
        both += namer.named(each.output, layer, "nonlinearity_output", each.function)
        # where a layer ends with its nonlinearity, its output comes after it
        found.append((each.output.op or 0, both))
    nonlinear_first = sorted(found, key=lambda item: (item[0], item[1][0][0].role == "output" if item[1] else False))
    return [pair for _, pairs in nonlinear_first for pair in pairs]


class _Namer:
    def __init__(self, program: Program) -> None:
        self._program, self._axes = program, unit_axes(program)
        self._seen: Counter[str] = Counter()

    def named(self, value: Value, layer: str, role: str, function: str = "") -> list[tuple[Watched, Taken]]:
        """A value under its name; one of a scan over layers once for each of these."""
        value = _made(value)
        if value.op is None or value.place is None:
            return []
        op = self._program.ops[value.op]
        label = f"{layer}/{function}/{role.removeprefix('nonlinearity_')}" if function else layer
        self._seen[label] += 1
        again = "" if self._seen[label] == 1 else f" ({self._seen[label]})"
        scans = [address for kind, address in op.loops if kind == "scan"]
        lengths = tuple(self._program.lengths[address] for address in scans)
        stacked = bool(scans) and bool(self._program.stacked[scans[0]])
        shape, axis = value.aval.shape, self._axes.get(value, -1)
        # A matrix times a vector, under vmap: the batch came out last, where the framework has it first.
        units_last = op.vmapped and len(shape) > 1 and axis == -len(shape) and not lengths[stacked:]
        if units_last:
            shape, axis = (*shape[1:], shape[0]), -1
        found = []
        for iteration in range(lengths[0]) if stacked else (None,):
            path = layer if iteration is None else f"{layer}[{iteration}]"
            watched = Watched(
                label.replace(layer, path, 1) + again,
                path,
                role,
                function,
                (*lengths[stacked:], *shape),
                value.aval.dtype,
                axis,
            )
            found.append((watched, Taken(value.place, iteration, units_last)))
        return found


def _made(value: Value) -> Value:
    """The outer value that one inside a loop stands for."""
    while value.op is None and value.via:
        value = value.via[0]
    return value


def _before(program: Program, values: list[Value], *, iterations: bool = False) -> frozenset[int]:
    """The operations that these values are made by, directly or not; with `iterations`, also in an earlier iteration."""
    loops = {op.address: index for index, op in enumerate(program.ops) if op.is_loop}
    waiting = [value.op for value in values if value.op is not None]
    reached: set[int] = set()
    while waiting:
        index = waiting.pop()
        if index not in reached:
            reached.add(index)
            op = program.ops[index]
            waiting += [loops[address] for kind, address in op.loops if iterations and kind != "cond"]
            made = [_made(value) for value in op.inputs]
            waiting += [value.op for value in made if value.op is not None]
    return frozenset(reached)


def _newest_calls(program: Program, calls: list[Call]) -> list[Call | None]:
    """For each operation the latest call whose output it is made of, directly or not."""
    made_by = {call.output.op: call for call in calls}
    newest: list[Call | None] = []
    for index, op in enumerate(program.ops):
        before = [each.op for each in map(_made, op.inputs) if each.op is not None and each.op < index]
        known = [call for call in (*(newest[k] for k in before), made_by.get(index)) if call is not None]
        newest.append(max(known, key=lambda call: call.output.op or 0, default=None))
    return newest
