"""One line a tensor over the steps, in its layer's colour."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from nnwidgets.records import History

from ._curve import log10, outline, smooth
from ._figure import StepFigure
from ._narrow import Narrow
from ._theme import colour_of, layer_colours, order_in

# Small tensors of a layer, drawn fainter than its weights.
FAINT = {"bias", "b", "scale", "offset", "beta", "gamma"}
MANY = 120


class LayerLines:
    """The tensors of one positive reading in a figure with powers of ten: faint as read, strong as averaged.

    The average is over a fiftieth of the steps shown, of the logarithm, so that many noisy lines can still be told
    apart; nothing is hidden by it. Of more than `MANY` tensors only the averages are drawn: nobody could tell the rest apart.

    Args:
        figure: where the lines go.
        name: the reading, e.g. ``"gradient/norm"``.
        include: values of log10 that the axis always reaches.
    """

    def __init__(self, figure: StepFigure, name: str, include: tuple[float, ...] = ()) -> None:
        self._figure, self._name, self._include, self._narrow = figure, name, include, Narrow(120, cells=4_500)
        self._raw, self._average = figure.lines(1.0), figure.lines(1.8, named=True)

    def draw(self, history: History) -> bool:
        """Draw the newest; whether there were two steps to draw a line between."""
        series = self._narrow.look(history, self._name)
        if series is None:
            return False
        order = order_in(history, series.layers)
        steps, raw = outline(series)
        raw = log10(raw[order])
        window = float(series.steps[-1] - series.steps[0]) / 50
        average = smooth(series.steps, log10(series.values[:, order].T), window)
        many = len(order) > MANY
        self._figure.frame(steps, [average if many else raw], self._include)
        if many:
            steps = raw = np.empty(0)
        self._paint(history, [series.layers[position] for position in order])
        for mark, x, y in ((self._raw, steps, raw), (self._average, series.steps.astype(np.float64), average)):
            # float32 is finer than a pixel
            self._figure.draw(mark, x, y.astype(np.float32))
        return True

    def _paint(self, history: History, layers: list[str]) -> None:
        if self._average.labels == layers:
            return
        colours = layer_colours(history)
        strength = [0.5 if layer.rpartition("/")[2] in FAINT else 1.0 for layer in layers]
        marks = ((self._average, 1.0),) if len(layers) > MANY else ((self._raw, 0.18), (self._average, 1.0))
        for mark, opacity in marks:
            with mark.hold_sync():
                mark.labels = layers
                mark.colors = [colour_of(layer, colours) for layer in layers]
                mark.opacities = [opacity * part for part in strength]


def worst_now(history: History, name: str) -> str:
    """The tensors whose newest reading is NaN or infinite, in words; "" if there are none."""
    return _which(history, name, "NaN or infinite", lambda values: ~np.isfinite(values))


def zero_now(history: History, name: str) -> str:
    """The tensors whose newest reading is zero, and which powers of ten cannot show, in words; "" if there are none."""
    return _which(history, name, "exactly zero, so not drawn,", lambda values: values == 0)


def _which(history: History, name: str, what: str, holds: Callable[[np.ndarray], np.ndarray]) -> str:
    newest = history.latest(name)
    if newest is None:
        return ""
    layers, true = history.tail(name, 1).layers, holds(newest[1])
    which = [layers[position] for position in order_in(history, layers) if true[position]]
    return f"{what} at step {newest[0]:,}: {', '.join(which[:6])}{' …' if len(which) > 6 else ''}" if which else ""
