"""What is drawn of a network: its boxes, arrows and frames, as plain values for network.js."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from nnwidgets.records import NetworkGraph, Node

from . import _network_folds as folding
from ._network_details import count, shape
from ._network_folds import Fold, Part
from ._network_health import Health, worst
from ._network_layout import Layout, lay_out
from ._theme import GREY, colour_of, layer_of

# Colours in the strip of a folded box.
STRIP = 8
# Kinds of nodes that are no layers.
OUTSIDE = ("input", "loss")


@dataclass(frozen=True)
class Shown:
    """What is drawn of a graph while these folds are open: all that the readings do not change.

    Attributes:
        opened: keys of the open folds.
        boxes: nodes and closed folds.
        edges: between boxes.
        layout: where they go.
        names: what stands on the boxes.
        frames: for each open fold, what stands on it and its nodes.
    """

    opened: frozenset[str]
    boxes: tuple[Part, ...]
    edges: tuple[tuple[int, int], ...]
    layout: Layout
    names: tuple[str, ...]
    frames: dict[str, tuple[str, tuple[int, ...]]]


def show(graph: NetworkGraph, tree: Fold, opened: frozenset[str]) -> Shown:
    """What is drawn of this graph, whose layers are folded as in `tree`, while these folds are open."""
    boxes = folding.boxes(tree, opened)
    home = {node: place for place, box in enumerate(boxes) for node in folding.members(box)}
    edges = list(dict.fromkeys((home[start], home[end]) for start, end in graph.edges if home[start] != home[end]))
    inside: dict[str, tuple[int, list[int]]] = {}
    open_folds = [each for each in _open_folds(tree, opened) if each is not tree]
    held = {each.key: frozenset(folding.members(each)) for each in open_folds}
    for key, nodes in held.items():
        depth = sum(nodes < other for other in held.values())
        inside[key] = depth, sorted({home[node] for node in nodes})
    layout = lay_out(len(boxes), edges, inside)
    # what the frame around it says already need not be said again
    drawn = [frame.key for frame in layout.frames if frame.closed]

    def short(label: str, nodes: frozenset[int]) -> str:
        around = [key for key in drawn if nodes < held[key] and label.startswith(f"{key}/")]
        return label[len(max(around, key=len)) + 1 :] if around else label

    names = tuple(
        short(box.label if isinstance(box, Fold) else graph.nodes[box].name, frozenset(folding.members(box)))
        for box in boxes
    )
    frames = {each.key: (short(each.label, held[each.key]), tuple(held[each.key])) for each in open_folds}
    return Shown(opened, tuple(boxes), tuple(edges), layout, names, frames)


def _open_folds(part: Part, opened: frozenset[str]) -> list[Fold]:
    """The folds whose parts are shown."""
    if isinstance(part, int) or part.key not in opened:
        return []
    return [part, *(fold for each in part.parts for fold in _open_folds(each, opened))]


def data(
    graph: NetworkGraph, shown: Shown, well: Sequence[Health], colours: dict[str, str], chosen: str
) -> dict[str, Any]:
    """What network.js draws: places, names, and how each box fares now."""
    layout = shown.layout
    places = zip(shown.boxes, shown.names, layout.lanes, layout.tops, strict=True)
    return {
        "boxes": [
            {**_box(graph, box, well, colours), "name": name, "lane": lane, "y": top} for box, name, lane, top in places
        ],
        "edges": [[start, end, track] for (start, end), track in zip(shown.edges, layout.tracks, strict=True)],
        "frames": [
            {
                **asdict(each),
                "label": shown.frames[each.key][0],
                **_fares(worst(well[node] for node in shown.frames[each.key][1])),
            }
            for each in layout.frames
        ],
        "wide": layout.wide,
        "tracks": max(layout.tracks, default=-1) + 1,
        "height": layout.height,
        "chosen": chosen,
    }


def _box(graph: NetworkGraph, box: Part, well: Sequence[Health], colours: dict[str, str]) -> dict[str, Any]:
    nodes = [graph.nodes[node] for node in folding.members(box)]
    state = worst(well[node] for node in folding.members(box))
    strip = list(dict.fromkeys(each for node in nodes if (each := colour(node, colours)) != GREY))
    learns = sum(node.parameters for node in nodes)
    words = [shape(nodes[-1].shape) if nodes[-1].shape else "", f"{count(learns)} params" if learns else ""]
    if isinstance(box, Fold):
        words = [f"{len(nodes)} layers", *words[::-1]]
    else:
        words += [", ".join(nodes[0].functions), nodes[0].kind if nodes[0].kind not in ("layer", *OUTSIDE) else ""]
    return {
        "key": box.key if isinstance(box, Fold) else nodes[0].name,
        "fold": isinstance(box, Fold),
        "path": box.label if isinstance(box, Fold) else nodes[0].name,
        "words": [each for each in words if each],
        "strip": strip[:: max(1, -(-len(strip) // STRIP))] or [GREY],
        **_fares(state),
    }


def colour(node: Node, colours: dict[str, str]) -> str:
    """The colour of the layer whose parameters the node uses; grey if of none."""
    return colour_of(layer_of(node.tensors[0]) if node.tensors else node.name, colours)


def _fares(state: Health) -> dict[str, str]:
    return {"state": state.state, "mark": state.mark}
