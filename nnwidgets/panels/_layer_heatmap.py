"""All layers over all steps as colours."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import ipywidgets
import numpy as np

from nnwidgets.records import Finding, History

from ._canvas import HeatmapCanvas
from ._curve import log10
from ._narrow import Narrow
from ._panel import Panel
from ._text import escape
from ._theme import at_step, colour_of, layer_colours, newest_step, order_in

# Readings whose size matters in powers of ten; the others are drawn as they are.
POWERS = {"gradient/norm", "gradient/std", "update/norm", "update/std", "update/ratio", "parameter/norm"}
POWERS |= {"parameter/std", "activation/std"}


class LayerHeatmap(Panel):
    """One reading of every layer (rows, the first layer on top) at every step (columns), as brightness.

    Tells apart: trouble that begins in one layer and spreads (a slanted edge) from trouble everywhere at once (a
    vertical edge), such as a learning rate that changed. Red cells hold a NaN or an infinity, blank ones a zero where
    powers of ten are shown. A column that stands for several steps shows their mean.
    """

    title = "Layers over steps"

    def __init__(self) -> None:
        self._reading = ipywidgets.Dropdown(
            description="reading", layout={"width": "18.5em"}, style={"description_width": "initial"}
        )
        self._reading.observe(lambda change: self.redraw(), "value")
        self._note, self._canvas, self._narrow = ipywidgets.HTML(), HeatmapCanvas(), Narrow(240, cells=15_000)
        bar = ipywidgets.HBox([self._reading, self._note]).add_class("nnw-bar")
        self.widget = ipywidgets.VBox([bar, self._canvas])

    def update(self, history: History, findings: Sequence[Finding]) -> str | None:
        """Draw the chosen reading."""
        self._offer(history)
        name = self._reading.value
        if name is None:
            return "Waits for readings of layers: gradients, updates, parameters or activations of one step."
        drawn = heatmap(history, name, self._narrow)
        if drawn is None:
            return f"Waits for a second step with {name}."
        self._note.value = self._words(history, name)
        self._canvas.data = packed(drawn)
        return None

    def _words(self, history: History, name: str) -> str:
        """What the colours show, and of which step the last column is if not of the newest."""
        newest = history.latest(name)
        old = at_step(newest[0], newest_step(history)) if newest is not None else ""
        scale = ", log scale" if name in POWERS else ", linear scale"
        return f'<span class="nnw-note">colour: {escape(name)}{scale}{old and f"; newest{old}"}</span>'

    def _offer(self, history: History) -> None:
        names = [
            name for name in history.names() if name.split("/")[0] in ("gradient", "update", "parameter", "activation")
        ]
        names = [name for name in names if history.latest(name) is not None]
        if list(self._reading.options) != names:
            chosen = self._reading.value
            self._reading.options = names
            preferred = [name for name in (chosen, "gradient/norm") if name in names]
            self._reading.value = (preferred or names or [None])[0]


def packed(drawn: dict[str, Any]) -> dict[str, Any]:
    """The same in two bytes a cell instead of five: a saved notebook may keep it (see heatmap.js)."""
    values, bad = np.frombuffer(drawn["values"], "<f4"), np.frombuffer(drawn["bad"], "u1")
    finite = np.isfinite(values)
    least, most = (float(edge(values[finite])) for edge in (np.min, np.max)) if finite.any() else (0.0, 0.0)
    codes = np.full(values.shape, 65535, "<u2")
    codes[finite] = np.round((values[finite].astype(np.float64) - least) * (65533 / ((most - least) or 1.0)))
    codes[np.isposinf(values)], codes[np.isneginf(values)] = 65533, 0
    codes[bad > 0] = 65534
    rest = {name: value for name, value in drawn.items() if name not in ("values", "bad")}
    return {**rest, "codes": codes.tobytes(), "least": least, "most": most}


def heatmap(history: History, name: str, narrow: Narrow) -> dict[str, Any] | None:
    """What heatmap.js draws of a reading of layers; None before it was read twice."""
    series = narrow.look(history, name)
    if series is None:
        return None
    order = order_in(history, series.layers)
    values = series.values[:, order].T
    # a missing ratio (an update of zeros) is no fault
    bad = narrow.bad[:, order].T if name != "update/ratio" else np.zeros(values.shape, bool)
    shown = log10(values) if name in POWERS else values
    finite = shown[np.isfinite(shown)]
    low, high = (float(finite.min()), float(finite.max())) if finite.size else (0.0, 1.0)
    # one slow layer must not leave the others in one colour, nor noise look like news
    middle, half = (low + high) / 2, max((high - low) / 2, 0.25 if name in POWERS else 1e-9)
    colours = layer_colours(history)
    return {
        "rows": [series.layers[position] for position in order],
        "colors": [colour_of(series.layers[position], colours) for position in order],
        "steps": series.steps.astype("<f8").tobytes(),
        "values": shown.astype("<f4").tobytes(),
        "bad": np.ascontiguousarray(bad, "u1").tobytes(),
        "low": middle - half,
        "high": middle + half,
        "power": name in POWERS,
        "reading": name,
    }
