"""A heatmap as SVG."""

from __future__ import annotations

import html
import math
from itertools import pairwise

import numpy as np

from ._exploration import Grid, Numbers
from ._svg_axes import BOTTOM, GROUND, HEIGHT, INK, LEFT, RIGHT, SIZE, TOP, WIDTH, Axis, frame, svg
from ._words import number

_BAR = 46
# Dark to bright in even steps of lightness (anchors of Matplotlib's "viridis", van der Walt and Smith 2015).
_VIRIDIS = ((68, 1, 84), (59, 82, 139), (33, 145, 140), (94, 201, 98), (253, 231, 37))


def grid_svg(grid: Grid) -> str:
    """The picture: bright is high; what is not finite is hatched."""
    x = _cells(grid.xs, grid.log_x, LEFT, WIDTH - RIGHT - _BAR)
    y = _cells(grid.ys, grid.log_y, HEIGHT - BOTTOM, TOP)
    values = np.log10(np.where(grid.values > 0, grid.values, np.nan)) if grid.log else grid.values
    finite = values[np.isfinite(values)]
    low, high = (float(finite.min()), float(finite.max())) if finite.size else (0.0, 1.0)
    left, right = _edges(grid.xs, x)
    lower, upper = _edges(grid.ys, y)
    parts = [_HATCH]
    for row in range(len(grid.ys)):
        top, bottom = sorted((lower[row], upper[row]))
        for column in range(len(grid.xs)):
            value = float(values[row, column])
            colour = _colour((value - low) / (high - low or 1.0)) if math.isfinite(value) else "url(#nnw-hatch)"
            word = grid.labels[row][column] if grid.labels is not None else ""
            about = f"{grid.x} {number(float(grid.xs[column]))}, {grid.y} {number(float(grid.ys[row]))}: "
            about += f"{grid.value} {number(float(grid.values[row, column]))} {word}"
            parts.append(
                f'<rect x="{left[column]:.1f}" y="{top:.1f}" width="{right[column] - left[column] + 0.3:.1f}" '
                f'height="{bottom - top + 0.3:.1f}" style="fill:{colour}"><title>{html.escape(about)}</title></rect>'
            )
            if word:
                parts.append(
                    f'<text x="{(left[column] + right[column]) / 2:.1f}" y="{(top + bottom) / 2 + 4:.1f}" '
                    f'text-anchor="middle" style="fill:{INK};font-size:{SIZE}">{html.escape(word)}</text>'
                )
    return svg(grid.title, frame(x, y, grid.x, grid.y) + "".join(parts) + _path(grid, x, y) + _bar(grid, low, high))


def _cells(centres: Numbers, log: bool, start: float, end: float) -> Axis:
    places = np.log10(centres) if log else centres
    half = 0.5 * float(np.median(np.diff(places))) if len(places) > 1 else 0.5
    return Axis(float(places.min()) - abs(half), float(places.max()) + abs(half), log, start, end)


def _edges(centres: Numbers, along: Axis) -> tuple[list[float], list[float]]:
    places = [along.place(float(each)) for each in centres]
    if len(places) == 1:
        return [min(along.start, along.end)], [max(along.start, along.end)]
    middles = [(a + b) / 2 for a, b in pairwise(places)]
    return [2 * places[0] - middles[0], *middles], [*middles, 2 * places[-1] - middles[-1]]


def _path(grid: Grid, x: Axis, y: Axis) -> str:
    if grid.path is None or not len(grid.path):
        return ""
    points = [(x.place(float(a)), y.place(float(b))) for a, b in grid.path]
    line = " ".join(f"{a:.1f},{b:.1f}" for a, b in points)
    dots = "".join(f'<circle cx="{a:.1f}" cy="{b:.1f}" r="2.4"/>' for a, b in points)
    end = f'<circle cx="{points[-1][0]:.1f}" cy="{points[-1][1]:.1f}" r="5" style="fill:none;stroke-width:2"/>'
    style = f"fill:none;stroke:{GROUND};stroke-width:4;opacity:.8"
    return (
        f'<polyline points="{line}" style="{style}"/>'
        f'<g style="fill:{INK};stroke:{INK}"><polyline points="{line}" style="fill:none;stroke-width:1.6"/>{dots}{end}</g>'
    )


def _bar(grid: Grid, low: float, high: float) -> str:
    left, height = WIDTH - RIGHT - _BAR + 12, HEIGHT - BOTTOM - TOP
    steps = 32
    boxes = "".join(
        f'<rect x="{left}" y="{TOP + height * (1 - (i + 1) / steps):.1f}" width="10" height="{height / steps + 0.5:.1f}" '
        f'style="fill:{_colour((i + 0.5) / steps)}"/>'
        for i in range(steps)
    )
    style = f'style="fill:{INK};font-size:{SIZE}"'
    ends = [number(10**each if grid.log else each, 2) for each in (high, low)]
    words = (
        f'<text x="{left}" y="{TOP - 4}" {style}>{html.escape(ends[0])}</text>'
        f'<text x="{left}" y="{TOP + height + 13}" {style}>{html.escape(ends[1])}</text>'
    )
    middle = TOP + height / 2
    return (
        boxes
        + words
        + (
            f'<text x="{left + 22}" y="{middle:.0f}" text-anchor="middle" transform="rotate(90 {left + 22} {middle:.0f})" '
            f"{style}>{html.escape(grid.value)}</text>"
        )
    )


def _colour(share: float) -> str:
    at = min(max(share, 0.0), 1.0) * (len(_VIRIDIS) - 1)
    first = min(int(at), len(_VIRIDIS) - 2)
    mixed = [round(a + (b - a) * (at - first)) for a, b in zip(_VIRIDIS[first], _VIRIDIS[first + 1], strict=True)]
    return f"rgb({mixed[0]},{mixed[1]},{mixed[2]})"


_HATCH = (
    '<defs><pattern id="nnw-hatch" width="6" height="6" patternUnits="userSpaceOnUse" patternTransform="rotate(45)">'
    f'<rect width="6" height="6" style="fill:{INK};opacity:.12"/>'
    f'<line x1="0" y1="0" x2="0" y2="6" style="stroke:{INK};stroke-width:2;opacity:.5"/></pattern></defs>'
)
