"""Every layer over the steps, and how far it moved last, in a picture that is kept."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from nnwidgets.records import History, Series

from ._curve import log10
from ._layer_lines import FAINT
from ._still_canvas import GRID, Canvas
from ._theme import at_step, colour_of, layer_colours, number, order_in

# Rows and columns of the layers' colours, at most.
_ROWS, _COLUMNS = 200, 110
_TALL = 200.0
# The update ratios between which a bar is drawn, log10; and between which they usually are.
_LOW, _HIGH, _USUAL = -6.0, 0.0, (-4.0, -2.0)


def row_colours(history: History, most: int = 90) -> dict[str, str]:
    """The layers' colours as in the panels; deep networks share some, since a picture that is kept has few."""
    colours = layer_colours(history)
    distinct = list(dict.fromkeys(colours.values()))
    few = {colour: distinct[k * most // len(distinct) * len(distinct) // most] for k, colour in enumerate(distinct)}
    return {layer: few[colour] if len(distinct) > most else colour for layer, colour in colours.items()}


def draw_layers(canvas: Canvas, history: History, y: float) -> float:
    """Gradient norms as colours, layers down and steps across, and beside them how far each tensor moved last; its foot."""
    if "gradient/norm" not in history or history.latest("gradient/norm") is None:
        canvas.text(16, y + 14, "Gradients: none have been read.", "muted")
        return y + 30
    rows = _rows(history)
    shares = rows.values
    finite = shares[np.isfinite(shares)]
    middle, half = (
        (0.0, 0.25) if not finite.size else ((finite.min() + finite.max()) / 2, max(0.25, np.ptp(finite) / 2))
    )
    count, colours, short = len(rows.names), row_colours(history), _shortened(rows.names)
    tall, left, wide = min(15.0, _TALL / count), 176.0, 470.0
    foot, beside, across = y + 18 + tall * count, left + wide + 22.0, canvas.wide - 16.0 - (left + wide + 22.0)
    canvas.text(16, y + 4, "Gradient norm", size=13, bold=True)
    canvas.text(left, y + 4, f"layers down, steps across{rows.words}", "muted", 11, within=wide)
    canvas.text(beside, y + 4, "Update / parameter", size=13, bold=True)
    canvas.shades(left, y + 18, wide, tall * count, (shares - (middle - half)) / (2 * half), rows.bad)
    for k, name in enumerate(rows.names):
        top = y + 18 + k * tall
        canvas.box(left - 7, top, 4, tall, colour_of(name, colours))
        if k % int(np.ceil(13 / tall)) == 0:
            canvas.text(left - 11, top + min(tall, 15) / 2 + 4, short[k], size=11, align="right", within=left - 28)
    _draw_ratios(canvas, history, rows, y + 18, tall, beside, across)
    canvas.text(left, foot + 15, f"step {rows.first:,}", "muted", 11)
    canvas.text(left + wide, foot + 15, f"{rows.last:,}", "muted", 11, align="right")
    foot += 18
    bar = np.linspace(0.0, 1.0, 60)[None]
    x = left + canvas.text(left, foot + 15, number(10.0 ** (middle - half), 2), "muted", 11) + 5
    canvas.shades(x, foot + 6, 110, 9, bar, np.zeros(bar.shape, bool))
    words = number(10.0 ** (middle + half), 2) + ", log scale"
    words += ("; striped red: not finite" if rows.bad.any() else "") + ("; white: zero" if rows.zero else "")
    canvas.text(x + 114, foot + 15, words, "muted", 11)
    return foot + 22


@dataclass(frozen=True)
class _Rows:
    """What the layers' colours show: names (rows,), log10 of the norms (rows, columns), and which are not finite."""

    names: list[str]
    groups: list[list[str]]
    values: npt.NDArray[np.float64]
    bad: npt.NDArray[np.bool_]
    zero: bool
    first: int
    last: int
    words: str


def _rows(history: History) -> _Rows:
    series = history["gradient/norm"]
    order = order_in(history, series.layers)
    words = ""
    if len(order) > _ROWS:
        weights = [k for k in order if _is_weight(series.layers[k])] or order
        words, order = ("; weights only" if len(weights) < len(order) else ""), weights
    many = -(-len(order) // _ROWS)
    words += f"; a row is the mean of {many}" if many > 1 else ""
    groups = [order[k : k + many] for k in range(0, len(order), many)]
    total, known, bad = _columns(series)
    mean = np.full((len(groups), total.shape[0]), np.nan)
    spoilt = np.zeros(mean.shape, bool)
    for k, group in enumerate(groups):
        counts = known[:, group].sum(axis=1)
        mean[k] = np.where(counts > 0, total[:, group].sum(axis=1) / np.maximum(counts, 1), np.nan)
        spoilt[k] = bad[:, group].any(axis=1)
    values = log10(mean)
    tensors = [[series.layers[position] for position in group] for group in groups]
    zero = bool((np.isnan(values) & ~spoilt & np.isfinite(mean)).any())
    return _Rows(
        [each[0] for each in tensors], tensors, values, spoilt, zero, int(series.steps[0]), int(series.steps[-1]), words
    )


def _shortened(names: list[str]) -> list[str]:
    """The names without the parts that all of them begin or end with.

    Example:
        >>> _shortened(["net/layers_1/query/kernel", "net/layers_2/query/kernel"])
        ['…/layers_1/…', '…/layers_2/…']
    """
    parts = [name.split("/") for name in names]
    shortest = min(len(each) for each in parts)
    if len(parts) < 2:
        return names
    first = next((k for k in range(shortest - 1) if len({each[k] for each in parts}) > 1), shortest - 1)
    last = next(
        (k for k in range(shortest - 1 - first) if len({each[-1 - k] for each in parts}) > 1), shortest - 1 - first
    )
    ends = ("…/" if first else "", "/…" if last else "")
    return [ends[0] + "/".join(each[first : len(each) - last]) + ends[1] for each in parts]


def _is_weight(tensor: str) -> bool:
    return tensor.rpartition("/")[2] not in FAINT


def _columns(series: Series) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.int64], npt.NDArray[np.bool_]]:
    """Sum and number of finite values, and whether one is not finite, in equal stretches of steps: (columns, layers) each."""
    span = max(1, int(series.steps[-1] - series.steps[0]) + 1)
    place = (series.steps - series.steps[0]) * min(_COLUMNS, span) // span
    starts = np.flatnonzero(np.diff(place, prepend=-1))
    finite = np.isfinite(series.values)
    total = np.add.reduceat(np.where(finite, series.values, np.float32(0)), starts, axis=0, dtype=np.float64)
    known = np.add.reduceat(finite, starts, axis=0, dtype=np.int64)
    # a bucket tells in its ends what its mean may not
    good = finite & np.isfinite(series.low) & np.isfinite(series.high)
    return total, known, ~np.logical_and.reduceat(good, starts, axis=0)


def _draw_ratios(
    canvas: Canvas, history: History, rows: _Rows, y: float, tall: float, left: float, wide: float
) -> None:
    """A bar a row from 1e-6 to its tensor's newest ratio; the band is where they usually are."""
    at = lambda power: left + (min(max(power, _LOW), _HIGH) - _LOW) / (_HIGH - _LOW) * wide  # noqa: E731
    foot = y + tall * len(rows.names)
    canvas.box(at(_USUAL[0]), y, at(_USUAL[1]) - at(_USUAL[0]), foot - y, GRID)
    for power in (-6, -4, -2, 0):
        align = {-6: "left", 0: "right"}.get(power, "middle")
        canvas.text(at(power), foot + 15, number(10.0**power), "muted", 11, align=align)
    newest = history.latest("update/ratio")
    if newest is None:
        canvas.text(left + 4, y + 14, "none read", "muted", 11)
        return
    now = history.latest("gradient/norm")
    canvas.text(left + wide, y - 14, f"{at_step(newest[0], now[0] if now else 0)}", "muted", 11, align="right")
    canvas.text(left, foot + 33, "grey: usual, 1e-4 to 0.01", "muted", 11)
    if not np.isfinite(newest[1]).any():
        canvas.text(left + 4, y + 14, "not finite", "problem", 11)
    known = dict(zip(history.tail("update/ratio", 1).layers, newest[1].tolist(), strict=True))
    colours = row_colours(history)
    for k, group in enumerate(rows.groups):
        powers = log10([known.get(tensor, np.nan) for tensor in group])
        if np.isfinite(powers).any():
            canvas.box(left, y + k * tall + tall * 0.2, max(1.0, at(float(np.nanmean(powers))) - left), max(tall * 0.6, 0.6),
                       colour_of(rows.names[k], colours))  # fmt: skip
