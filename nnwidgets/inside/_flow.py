"""From which layers each value of the program comes, past no other layer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from nnwidgets.lint._once import once
from nnwidgets.trace import Op, Value, scan_counts

from ._network import Network
from ._spots import Spot

# An array of the batch, a layer's output or the loss, with its number.
Source = tuple[str, int]
Sources = frozenset[Source]
LOSS: Source = ("loss", 0)


class Flow:
    """What flows where, worked out in one pass through the program; a scan over layers is gone through layer by layer.

    Attributes:
        edges: pairs of sources, from and to; layers are numbered as in `Network.layers`.
    """

    def __init__(self, network: Network) -> None:
        program = network.traced.program
        self._ops, self._stacked, self._lengths = program.ops, program.stacked, program.lengths
        self._made: dict[int, list[tuple[int, Spot]]] = {}
        for number, spot in enumerate(network.layers.values()):
            if spot.value.op is not None:
                self._made.setdefault(spot.value.op, []).append((number, spot))
        self.edges: set[tuple[Source, Source]] = set()
        known: dict[int, Sources] = {
            id(field): frozenset({("field", i)}) for i, field in enumerate(network.traced.fields)
        }
        self._pass(0, len(self._ops), known, None)
        self.edges |= {(source, LOSS) for source in _of(program.outputs[0], known)}

    def _pass(self, start: int, stop: int, known: dict[int, Sources], iteration: int | None) -> None:
        """Some operations in order; `iteration` tells which layer of a scan they are run for."""
        index = start
        while index < stop:
            address = self._over_layers(self._ops[index]) if iteration is None else None
            if address is not None:
                index = self._layers(index, address, known)
            else:
                _step(self._ops[index], known)
            for number, spot in self._made.get(index, ()):
                if spot.iteration in (None, iteration):
                    own: Source = ("layer", number)
                    self.edges |= {(source, own) for source in _of(spot.value, known)}
                    known[id(spot.value)] = frozenset({own})
            index += 1

    def _over_layers(self, op: Op) -> Any:
        """The outermost scan round an operation, if it slices parameters."""
        scan = next((address for kind, address in op.loops if kind == "scan"), None)
        return scan if scan is not None and self._stacked[scan] else None

    def _layers(self, start: int, address: Any, known: dict[int, Sources]) -> int:
        """The body of a scan over layers, once for each; the index of the scan itself, whose outputs are then known."""
        stop = start
        while self._ops[stop].address != address:
            stop += 1
        scan = self._ops[stop]
        consts, carried = scan_counts(scan.eqn)
        outer, results = scan.inputs[: len(scan.eqn.invars)], scan.inputs[len(scan.eqn.invars) :]
        inner = _stand_ins(self._ops[start:stop], results, outer)
        now = [_of(value, known) for value in outer]
        stacked: list[Sources] = [frozenset()] * (len(results) - carried)
        for iteration in range(self._lengths[address]):
            for value, positions in inner:
                known[id(value)] = frozenset().union(*(now[k] for k in positions))
            self._pass(start, stop, known, iteration)
            now[consts : consts + carried] = [_of(value, known) for value in results[:carried]]
            stacked = [a | _of(value, known) for a, value in zip(stacked, results[carried:], strict=True)]
        for value, found in zip(scan.outputs, [*now[consts : consts + carried], *stacked], strict=True):
            known[id(value)] = found
        return stop


@once
def flow_of(network: Network) -> Flow:
    """The flow of a network."""
    return Flow(network)


def _step(op: Op, known: dict[int, Sources]) -> None:
    """What comes out of an operation comes from all that goes in, out of a loop or branch from its own result."""
    results, count = op.inputs[len(op.eqn.invars) :] if op.is_loop else [], len(op.outputs)
    for k, value in enumerate(op.outputs):
        # a branch gives as many results as the operation, one branch after another
        given = results[k::count] if op.is_loop else op.inputs
        known[id(value)] = frozenset().union(*(_of(each, known) for each in given))


def _of(value: Value, known: Mapping[int, Sources]) -> Sources:
    while id(value) not in known:
        if value.op is not None or not value.via:
            return frozenset()
        value = value.via[0]
    return known[id(value)]


def _stand_ins(ops: Sequence[Op], results: Sequence[Value], outer: Sequence[Value]) -> list[tuple[Value, list[int]]]:
    """The values that stand in a body for outer ones, with the positions of those."""
    positions: dict[int, list[int]] = {}
    for k, value in enumerate(outer):
        positions.setdefault(id(value), []).append(k)
    read = {id(value): value for op in ops for value in op.inputs} | {id(value): value for value in results}
    return [
        (value, positions[id(value.via[0])])
        for value in read.values()
        if value.op is None and value.via and id(value.via[0]) in positions
    ]
