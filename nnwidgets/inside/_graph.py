"""The graph of a network: which layer's output flows into which layer, read off the traced program."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from math import prod

from nnwidgets.records import NetworkGraph, Node
from nnwidgets.trace import Call, Op, scan_counts, user_source

from ._attention import attentions
from ._flow import LOSS, flow_of
from ._network import Network
from ._spots import Spot, leaves_of

_ROOTS = ("rsqrt", "sqrt", "pow")


def graph_of(network: Network) -> NetworkGraph:
    """Nodes for the batch's arrays, the layers' outputs and the loss; edges where data flows past no other layer.

    A layer that is called again is another node, which learns no further numbers; each layer of a scan is a node.
    """
    edges = flow_of(network).edges
    fields = sorted({a[1] for a, b in edges if a[0] == "field" and b != LOSS})
    names = [network.paths[i] or "input" for i in fields]
    if len(names) == 1 and names[0].isdigit():
        names = ["input"]
    arrays = network.traced.fields
    nodes = [Node(name, "input", arrays[i].aval.shape) for name, i in zip(names, fields, strict=True)]
    number = {("field", i): k for k, i in enumerate(fields)}
    spots = list(network.layers.values())
    maker = _Maker(network, spots)
    for k, spot in enumerate(spots):
        number["layer", k] = len(nodes)
        nodes.append(maker.node(spot))
    number[LOSS] = len(nodes)
    nodes.append(Node("loss", "loss", network.traced.program.outputs[0].aval.shape))
    pairs = {(number[a], number[b]) for a, b in edges if a in number}
    return NetworkGraph(tuple(nodes), tuple(sorted(pair for pair in pairs if pair[0] != pair[1])))


class _Maker:
    """Makes the nodes of layers, in order."""

    def __init__(self, network: Network, spots: Sequence[Spot]) -> None:
        self._network, self._program = network, network.traced.program
        self._weighed = sorted(spot.value.op for spot in attentions(network) if spot.value.op is not None)
        self._over_time = _over_time(self._program.ops)
        self._first: dict[tuple[int, int | None], str] = {}
        for spot in spots:
            for leaf in leaves_of(network.traced, spot.call) if spot.call is not None else ():
                self._first.setdefault((leaf, spot.iteration), spot.name)
        self._functions: dict[str, list[str]] = {}
        for spot in network.spots:
            if spot.function:
                again = spot.name.rpartition("/output")[2]
                self._functions.setdefault(spot.layer + again, []).append(spot.function)

    def node(self, spot: Spot) -> Node:
        """The node of one call of a layer."""
        call = spot.call
        assert call is not None
        leaves = leaves_of(self._network.traced, call)
        shapes = {leaf: self._program.parameters[leaf].shape[spot.iteration is not None :] for leaf in leaves}
        new = [leaf for leaf in leaves if self._first[leaf, spot.iteration] == spot.name]
        source = user_source(self._program.ops[call.consumed[0]].stack) if call.consumed else None
        return Node(
            spot.name,
            self._kind(call, shapes.values()),
            spot.shape,
            sum(prod(shapes[leaf]) for leaf in new),
            tuple(self._network.objective.paths[leaf] for leaf in leaves),
            tuple(dict.fromkeys(self._functions.get(spot.name, ()))),
            "" if source is None else str(source),
        )

    def _kind(self, call: Call, shapes: Iterable[Sequence[int]]) -> str:
        ops = [self._program.ops[i] for i in call.consumed]
        primitives = {op.primitive for op in ops}
        if any(call.start <= i < call.stop for i in self._weighed):
            return "attention"
        mixes = primitives & {"conv_general_dilated", "dot_general"}
        if mixes and any(address in self._over_time for op in ops for _, address in op.loops):
            return "recurrent"
        if mixes:
            return "convolution" if "conv_general_dilated" in primitives else "dense"
        if any(op.primitive == "gather" and not op.inputs[0].data for op in ops):
            return "embedding"
        inside = {op.primitive for op in self._program.ops[call.start : call.stop]}
        flat = all(sum(size > 1 for size in shape) < 2 for shape in shapes)
        return "norm" if flat and inside.intersection(_ROOTS) else "layer"


def _over_time(ops: Sequence[Op]) -> set:
    """Addresses of the loops that carry something from step to step, and slice no parameters."""
    return {
        op.address
        for op in ops
        if op.primitive == "while" or (op.primitive == "scan" and scan_counts(op.eqn)[1] and not _slices(op))
    }


def _slices(scan: Op) -> bool:
    consts, carried = scan_counts(scan.eqn)
    return any(value.origins for value in scan.inputs[consts + carried : len(scan.eqn.invars)])
