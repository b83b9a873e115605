"""The dense pictures of a page as plain values: the canvases of the dashboard draw them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from nnwidgets.records import Finding, Histogram, History

from .. import _network_folds as folding
from .._layer_heatmap import POWERS, heatmap
from .._narrow import Narrow
from .._network_details import details
from .._network_drawing import colour, data, show
from .._network_folds import Fold
from .._network_health import health, readings
from .._theme import colour_of, layer_colours, order_in
from . import _pack
from ._sections import without_buttons

# Columns of a heatmap, and the cells of all of them together.
COLUMNS, FEWEST, CELLS = 240, 64, 560_000
KINDS = ("gradient", "update", "parameter", "activation")
# Boxes of a network in all the states that its folds can be opened to.
BOXES = 1500


def heatmaps(history: History) -> dict[str, Any]:
    """For each reading of layers what heatmap.js draws; the first one to be shown first."""
    names = [name for name in history.names() if name.split("/")[0] in KINDS and history.latest(name) is not None]
    cells = sum(len(history.tail(name, 1).layers) for name in names) or 1
    columns = max(FEWEST, min(COLUMNS, CELLS // cells))
    found: dict[str, Any] = {}
    # the same names stand in many of them
    rows: list[list[list[str]]] = []
    for name in sorted(names, key=lambda name: name != "gradient/norm"):
        drawn = heatmap(history, name, Narrow(columns))
        if drawn is not None:
            shown = np.frombuffer(drawn["values"], "<f4").astype(np.float64)
            same = [drawn.pop("rows"), drawn.pop("colors")]
            if same not in rows:
                rows.append(same)
            found[name] = {
                **drawn,
                "rows": rows.index(same),
                "steps": _pack.exact(np.frombuffer(drawn["steps"], "<f8").astype(np.int64)),
                # log10 was taken already; it is taken back, since the page takes it again
                "values": _pack.powers(10.0**shown) if name in POWERS else _pack.halves(shown),
                "bad": _pack.bits(np.frombuffer(drawn["bad"], "u1")),
            }
    return {"rows": rows, "readings": found} if found else {}


def histograms(history: History) -> dict[str, Any]:
    """For each kind what histograms.js draws."""
    found: dict[str, Any] = {}
    for kind in KINDS:
        now, first = (history.histogram(f"{kind}/histogram", first=first) for first in (False, True))
        if now is None or first is None:
            continue
        order, colours = order_in(history, now.layers), layer_colours(history)
        found[kind] = {
            "names": [now.layers[row] for row in order],
            "colors": [colour_of(now.layers[row], colours) for row in order],
            "now": _counts(now, order),
            "first": _counts(first, order) if first.layers == now.layers else None,
            "steps": [now.step, first.step],
        }
    return found


def _counts(histogram: Histogram, order: list[int]) -> dict[str, Any]:
    counts = histogram.counts[order].astype(np.float64)
    peaks = counts.max(axis=1, keepdims=True, initial=0.0)
    # each is scaled to its own peak; a bin that is not empty stays so
    shares = np.where(counts > 0, np.maximum(counts / np.where(peaks > 0, peaks, 1.0), 1 / 255), 0.0)
    return {
        "low": _pack.exact(histogram.low[order]),
        "high": _pack.exact(histogram.high[order]),
        "counts": _pack.parts(shares),
    }


def network(history: History, findings: Sequence[Finding]) -> dict[str, Any] | None:
    """What network.js draws with each fold opened or closed; and for each layer, what there is to know about it (HTML)."""
    graph = history.graph
    if graph is None or not graph.nodes:
        return None
    newest = readings(history)
    well, colours = health(graph, newest, findings), layer_colours(history)
    tree = folding.fold(tuple(node.name for node in graph.nodes))
    first = folding.at_first(tree)
    left = BOXES
    states: dict[str, Any] = {}
    for key, opened in _openings(tree, first):
        shown = show(graph, tree, opened)
        left -= len(shown.boxes)
        if left < 0 and states:
            break
        states[key] = data(graph, shown, well, colours, "")
    around = {each.key: fold.key for fold in folding.folds(tree) for each in fold.parts if isinstance(each, Fold)}
    about = [
        (node.name, without_buttons(details(node, state, newest, colour(node, colours))))
        for node, state in zip(graph.nodes, well, strict=True)
    ]
    return {"states": states, "around": around, "details": dict(about)}


def _openings(tree: Fold, first: frozenset[str]) -> list[tuple[str, frozenset[str]]]:
    """What is open at first, ""; for each fold "+<its key>": it and those around it as well, "-<its key>": all but it."""
    held = {each.key: {one.key for one in folding.folds(each)} for each in folding.folds(tree)}
    found = [("", first)]
    for each in folding.folds(tree):
        if each is tree:
            continue
        if each.key in first:
            found.append((f"-{each.key}", folding.closing(tree, first, each.key)))
        else:
            outside = {key for key, inside in held.items() if each.key in inside}
            found.append((f"+{each.key}", folding.opening(tree, first | outside, each.key)))
    return found
