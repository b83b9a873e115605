"""The network as a graph: what flows where, and which layer is not well."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import ipywidgets

from nnwidgets.records import Command, Finding, History, NetworkGraph

from . import _network_folds as folding
from ._canvas import NetworkCanvas
from ._network_details import count, details
from ._network_drawing import OUTSIDE, Shown, colour, data, show
from ._network_folds import Fold
from ._network_health import Health, Readings, health, readings
from ._panel import Panel
from ._text import escape, literal
from ._theme import layer_colours


class Network(Panel):
    """The layers from top to bottom, with arrows; what skips a row goes round at the right.

    A strip has the layer's colour, the border and the sign at the right tell how it fares now. Tells apart: a layer where
    something was found (red ✗, amber !) or whose newest readings are not finite (red NaN), from one that was read and
    is well (green ✓) and one that nothing has been read of (no sign). A large network is folded by the scopes in its
    paths, and long runs of siblings are one box: a click opens it, one on a headline folds it again.

    Attributes:
        send: takes the wish to look inside a layer; the dashboard sets it.
    """

    title = "Network"
    wide = True

    def __init__(self) -> None:
        self.send: Callable[[Command], None] = lambda command: None
        self._graph: NetworkGraph | None = None
        self._tree = Fold("", "", ())
        self._opened: frozenset[str] = frozenset()
        self._shown: Shown | None = None
        self._chosen, self._asked = "", False
        self._look: Any = None
        self._headline, self._details = ipywidgets.HTML(), ipywidgets.HTML()
        self._canvas = NetworkCanvas()
        self._canvas.on_msg(self._heard)
        self._button = ipywidgets.Button(
            description="Look inside",
            tooltip="What this layer makes of one example: in the panel “Look inside”",
            icon="eye",
        )
        self._button.on_click(lambda _: self._ask())
        self._button.layout.display = "none"
        self._said = ipywidgets.HTML()
        self._gravest = ""
        self._show = ipywidgets.Button(
            icon="search",
            tooltip="Open what it is folded into, and tell about it",
            layout={"display": "none", "width": "auto", "max_width": "100%"},
        )
        self._show.on_click(lambda _: self._show_gravest())
        scroll = ipywidgets.Box([self._canvas]).add_class("nnw-network")
        side = ipywidgets.VBox([self._details, ipywidgets.HBox([self._button, self._said])]).add_class(
            "nnw-network-side"
        )
        self._body = ipywidgets.HBox([scroll, side]).add_class("nnw-network-body")
        self._body.layout.display = "none"
        line = ipywidgets.HBox([self._headline, self._show]).add_class("nnw-row")
        self.widget = ipywidgets.VBox([line, self._body])

    def update(self, history: History, findings: Sequence[Finding]) -> str | None:
        """Draw the graph with each layer's health, and the details of the chosen layer."""
        graph = history.graph
        if graph is None or not graph.nodes:
            # not as the card's own words: a graph may never come, and a healthy run must not look empty
            self._headline.value = (
                '<span class="nnw-waiting">Waits for the first step: the layers are read from the traced loss.</span>'
            )
            self._body.layout.display = "none"
            return None
        if graph is not self._graph:
            self._take(graph)
        newest = readings(history)
        well = health(graph, newest, findings)
        colours = layer_colours(history)
        self._body.layout.display = ""
        self._headline.value = _headline(graph, well, findings)
        self._offer_gravest(graph, well)
        shown = self._lay_out(graph)
        self._canvas.data = data(graph, shown, well, colours, self._chosen)
        self._tell(graph, well, newest, colours)
        if history.look is not self._look:
            self._look, self._asked = history.look, False
        self._said.value = _note("asked for: see “Look inside”") if self._asked else ""
        return None

    def _take(self, graph: NetworkGraph) -> None:
        before = () if self._graph is None else tuple(node.name for node in self._graph.nodes)
        names = tuple(node.name for node in graph.nodes)
        if names != before:
            self._tree = folding.fold(names)
            self._opened, self._chosen = folding.at_first(self._tree), ""
        self._graph, self._shown = graph, None

    def _lay_out(self, graph: NetworkGraph) -> Shown:
        opened = self._opened
        if self._shown is None or self._shown.opened != opened:
            self._shown = show(graph, self._tree, opened)
        return self._shown

    def _tell(self, graph: NetworkGraph, well: Sequence[Health], newest: Readings, colours: dict[str, str]) -> None:
        found = [(node, state) for node, state in zip(graph.nodes, well, strict=True) if node.name == self._chosen]
        if not found:
            self._details.value, self._button.layout.display = _legend(), "none"
            return
        node, state = found[0]
        self._details.value = details(node, state, newest, colour(node, colours))
        self._button.layout.display = "none" if node.kind in OUTSIDE else ""

    def _offer_gravest(self, graph: NetworkGraph, well: Sequence[Health]) -> None:
        """A button that leads to the first layer with a problem, however deep it is folded away."""
        names = [
            [node.name for node, each in zip(graph.nodes, well, strict=True) if each.state == state]
            for state in ("problem", "nan", "warning")
        ]
        self._gravest = next((found[0] for found in names if found), "")
        self._show.layout.display = "" if self._gravest and self._gravest != self._chosen else "none"
        self._show.description = literal(f"Show {self._gravest}")

    def _show_gravest(self) -> None:
        names = [] if self._graph is None else [node.name for node in self._graph.nodes]
        if self._gravest in names:
            self._opened = folding.leading_to(self._tree, self._opened, names.index(self._gravest))
            self._chosen, self._asked = self._gravest, False
            self.redraw()

    def _heard(self, widget: Any, content: Any, buffers: Any) -> None:
        """A click or a key on the canvas: in any thread, so each assignment is whole."""
        if not isinstance(content, dict) or not isinstance(content.get("key"), str):
            return
        kind, key = content.get("kind"), content["key"]
        if kind == "open":
            self._opened = folding.opening(self._tree, self._opened, key)
        elif kind == "close":
            self._opened = folding.closing(self._tree, self._opened, key)
        elif kind == "choose":
            self._chosen, self._asked = key, False
        else:
            return
        self.redraw()

    def _ask(self) -> None:
        self._asked = True
        self._said.value = _note("asked for: see “Look inside”")
        self.send(Command("look", {"view": "activations", "layer": self._chosen}))


def _headline(graph: NetworkGraph, well: Sequence[Health], findings: Sequence[Finding]) -> str:
    layers = [node for node in graph.nodes if node.kind not in OUTSIDE]
    learns = sum(node.parameters for node in layers)
    parts = [f"<span>{len(layers)} layers, {count(learns)} parameters</span>"]
    for state, words in (("problem", "with a problem"), ("nan", "not finite"), ("warning", "with a warning")):
        names = [node.name for node, each in zip(graph.nodes, well, strict=True) if each.state == state]
        if names:
            more = f" and {len(names) - 4} more" if len(names) > 4 else ""
            kind = "nnw-network-warning" if state == "warning" else "nnw-alarm"
            parts.append(f'<span class="{kind}"><b>{words}: {escape(", ".join(names[:4]))}{more}</b></span>')
    whole = [each for each in findings if not each.where and each.severity != "note"]
    if whole:
        parts.append(f"<span>of no one layer: {len(whole)}, see Findings</span>")
    return f'<div class="nnw-network-line">{"".join(parts)}</div>'


def _legend() -> str:
    return _note(
        "Click a layer for its numbers and its line of code; ▸ opens a folded box, ▾ folds it again. "
        "Or press Tab, then the arrow keys and Enter.<br>"
        '<b class="nnw-network-well">✓</b> read, and well &nbsp; <b class="nnw-network-warning">!</b> a warning &nbsp; '
        '<b class="nnw-alarm">✗</b> a problem &nbsp; <b class="nnw-alarm">NaN</b> newest readings not finite &nbsp; '
        "no sign: not read yet"
    )


def _note(words: str) -> str:
    return f'<span class="nnw-note">{words}</span>'
