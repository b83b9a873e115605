"""Units that no longer do anything."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import ipywidgets

from nnwidgets.records import Finding, History

from ._canvas import SharesCanvas
from ._panel import Panel
from ._theme import colour_of, layer_colours, order_in

READINGS = {"dead": "activation/dead", "saturated": "activation/saturated"}


class UnitHealth(Panel):
    """The share of each nonlinearity's units that were dead, or saturated, on the newest batch that was read.

    Dead: zero for every example of the batch, so that no gradient passes. Saturated: at the flat ends of its function
    for nearly every example. Tells apart: a few idle units, which is usual with ReLU, from a layer that blocks the
    gradient for all layers before it. A bar turns red from one half of the units on.
    """

    title = "Dead and saturated units"

    def __init__(self) -> None:
        self._note = ipywidgets.HTML()
        self._canvas = SharesCanvas()
        scroll = ipywidgets.Box([self._canvas]).add_class("nnw-scroll")
        self.widget = ipywidgets.VBox([self._note, scroll])

    def update(self, history: History, findings: Sequence[Finding]) -> str | None:
        """Draw the newest shares."""
        found = bars(history)
        if found is None:
            return (
                "Waits for the first reading of activations, a few steps into a run. Only the units of ReLU, tanh and "
                "sigmoid can be dead or saturated: a model without them has nothing to show here."
            )
        step, drawn = found
        self._note.value = (
            f'<span class="nnw-note">share of units at step {step:,}; solid: dead, striped: saturated; '
            "red: half of them or more</span>"
        )
        self._canvas.data = {"bars": drawn}
        return None


def bars(history: History) -> tuple[int, list[dict[str, Any]]] | None:
    """The newest step that was read, and what shares.js draws of it; None before there is one."""
    shares: dict[str, dict[str, float]] = {}
    step = -1
    for kind, name in READINGS.items():
        newest = history.latest(name)
        if newest is None:
            continue
        step = max(step, newest[0])
        for layer, value in zip(history.tail(name, 1).layers, newest[1].tolist(), strict=True):
            # NaN: this kind says nothing about this nonlinearity
            if value == value:
                shares.setdefault(layer, {})[kind] = value
    colours, layers = layer_colours(history), tuple(shares)
    drawn = [
        {"name": layer, "color": colour_of(layer, colours), **shares[layer]}
        for layer in (layers[position] for position in order_in(history, layers))
    ]
    return (step, drawn) if drawn else None
