"""Canvas widgets: pictures too dense for SVG, drawn in the browser from one trait."""

from __future__ import annotations

import anywidget
import traitlets

from ._scripts import text_of


def script(name: str) -> str:
    """The JavaScript of a canvas: what all share, then its own. One text, since the widget's code has no folder."""
    return text_of("canvas.js", name)


class Canvas(anywidget.AnyWidget):
    """A canvas that redraws when its one trait changes: one message an update, and the newest always wins.

    Attributes:
        data: what to draw: numbers, texts, and arrays as little-endian bytes (see each canvas's script).
    """

    data = traitlets.Dict().tag(sync=True)


class CurvesCanvas(Canvas):
    """Small curves one below the other, each with its own scale."""

    _esm = script("curves.js")


class HeatmapCanvas(Canvas):
    """Rows x steps as colours."""

    _esm = script("heatmap.js")


class HistogramsCanvas(Canvas):
    """A small histogram a layer, now and at the first step."""

    _esm = script("histograms.js")


class SharesCanvas(Canvas):
    """Two shares a layer as bars."""

    _esm = script("shares.js")


class NetworkCanvas(Canvas):
    """Boxes and arrows; says which box was clicked: ``{kind: "open" | "close" | "choose", key}``."""

    _esm = script("network.js")


class ImagesCanvas(Canvas):
    """Rows of small images; says when an arrow key asks for the next example: ``{kind: "go", by: -1 | 1}``.

    Attributes:
        alone: whether each image is drawn on its own scale, from its darkest to its brightest.
    """

    alone = traitlets.Bool(False).tag(sync=True)
    _esm = script("images.js")
