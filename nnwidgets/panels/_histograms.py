"""How the values of each tensor are spread."""

from __future__ import annotations

from collections.abc import Sequence

import ipywidgets
import numpy as np
import numpy.typing as npt

from nnwidgets.records import Finding, Histogram, History

from ._canvas import HistogramsCanvas
from ._panel import Panel
from ._theme import colour_of, layer_colours, order_in

KINDS = ("gradient", "update", "parameter", "activation")
MISSING = {
    "activation": "waits for the first reading of activations; a loss that could not be traced has none (see Findings)"
}


class Histograms(Panel):
    """A small histogram of each tensor's or layer's values: filled now, as an outline at the first step read.

    Tells apart: values that stay spread out from values that collapse onto zero (dead) or pile up at both ends
    (saturated); weights that moved from weights that did not. Horizontal: the value; each picture reaches as far as
    both histograms, but no more than three times as wide as the newest, so that this can still be seen. Vertical: the
    density, each scaled to its own peak.
    """

    title = "Histograms"
    wide = True

    def __init__(self) -> None:
        self._kind = ipywidgets.ToggleButtons(options=KINDS, value="gradient", style={"button_width": "98px"})
        self._kind.observe(lambda change: self.redraw(), "value")
        self._note = ipywidgets.HTML()
        self._canvas = HistogramsCanvas()
        scroll = ipywidgets.Box([self._canvas]).add_class("nnw-scroll")
        self.widget = ipywidgets.VBox([self._kind, self._note, scroll])

    def update(self, history: History, findings: Sequence[Finding]) -> str | None:
        """Draw the newest histograms of the chosen kind."""
        available = [kind for kind in KINDS if history.histogram(f"{kind}/histogram") is not None]
        if not available:
            return "Waits for the first histograms, a few steps into a run; they are read more rarely than norms."
        kind = str(self._kind.value)
        now = history.histogram(f"{kind}/histogram")
        first = history.histogram(f"{kind}/histogram", first=True)
        if now is None or first is None:
            self._note.value = f'<span class="nnw-note">{MISSING.get(kind, f"waits for the first {kind}s")}</span>'
            self._canvas.data = {}
            return None
        self._note.value = (
            f'<span class="nnw-note">filled: at step {now.step:,}; outline: at step {first.step:,}; '
            "each scaled to its own peak</span>"
        )
        order, colours = order_in(history, now.layers), layer_colours(history)
        self._canvas.data = {
            "names": [now.layers[row] for row in order],
            "colors": [colour_of(now.layers[row], colours) for row in order],
            "now": _pack(now, order),
            "first": _pack(first, order) if first.layers == now.layers else None,
        }
        return None


def _pack(histogram: Histogram, order: list[int]) -> dict[str, object]:
    return {
        "low": histogram.low[order].astype("<f4").tobytes(),
        "high": histogram.high[order].astype("<f4").tobytes(),
        "counts": _bytes(histogram.counts[order]),
    }


def _bytes(counts: npt.NDArray[np.float32]) -> bytes:
    """Each row as shares of its peak, in steps of 1/255: more than a picture of this height can show."""
    peak = np.maximum(counts.max(axis=1, keepdims=True), 1e-30)
    return np.rint(255 * counts / peak).astype("u1").tobytes()
