"""Curves as SVG."""

from __future__ import annotations

import html
import math

from ._exploration import Line, Plot
from ._svg_axes import BOTTOM, COLOURS, HEIGHT, LEFT, RIGHT, SIZE, TOP, WIDTH, Axis, axis, frame, guides, svg
from ._words import number

# Points of a curve that are drawn.
_MOST = 600


def plot_svg(plot: Plot) -> str:
    """The picture; a number that has no place on a logarithmic axis, or is not finite, is a gap."""
    across = [line.x for line in plot.lines]
    up = [each for line in plot.lines for each in (line.y, line.low, line.high) if each is not None]
    also = {axis: [guide.at for guide in plot.guides if guide.axis == axis] for axis in "xy"}
    x = axis(across, plot.log_x, LEFT, WIDTH - RIGHT, also=also["x"])
    if plot.x_names:
        x = Axis(0.5, len(plot.x_names) + 0.5, False, LEFT, WIDTH - RIGHT, plot.x_names)
    y = axis(up, plot.log_y, HEIGHT - BOTTOM, TOP, also=also["y"])
    curves = "".join(_line(line, *_style(i), x, y) for i, line in enumerate(plot.lines))
    return svg(plot.title, frame(x, y, plot.x, plot.y) + curves + guides(plot.guides, x, y))


def legend(plot: Plot) -> str:
    """The names of the curves in their colours, as HTML; "" where there is one curve alone."""
    if len(plot.lines) < 2:
        return ""
    chips = (
        f'<span style="margin-right:14px;white-space:nowrap"><span style="display:inline-block;width:18px;'
        f"vertical-align:middle;margin-right:5px;border-top:3px {'dashed' if _style(i)[1] else 'solid'} {_style(i)[0]}"
        f'"></span>{html.escape(line.name)}</span>'
        for i, line in enumerate(plot.lines)
    )
    return f'<div style="font-size:{SIZE}">{"".join(chips)}</div>'


def _style(position: int) -> tuple[str, str]:
    """Colour and dashes: when the colours have all been used, dashed lines begin with the first again."""
    return COLOURS[position % len(COLOURS)], "5 3" if position >= len(COLOURS) else ""


def _line(line: Line, colour: str, dashes: str, x: Axis, y: Axis) -> str:
    last, count = len(line.x) - 1, min(len(line.x), _MOST)
    chosen = sorted({round(last * i / max(count - 1, 1)) for i in range(count)})
    points = [(x.place(float(line.x[i])), y.place(float(line.y[i])), i) for i in chosen]
    parts = [_band(line, colour, x, y, chosen)]
    if not line.dots:
        parts += [
            f'<polyline points="{" ".join(f"{a:.1f},{b:.1f}" for a, b, _ in run)}" '
            f'style="fill:none;stroke:{colour};stroke-width:1.8;stroke-linejoin:round;stroke-dasharray:{dashes or "none"}"/>'
            for run in _runs(points)
        ]
    if line.dots or len(line.x) <= 40:
        parts += [
            f'<circle cx="{a:.1f}" cy="{b:.1f}" r="{3.2 if line.dots else 2.2}" style="fill:{colour}">'
            f"<title>{html.escape(line.name)}: {number(float(line.x[i]))}, {number(float(line.y[i]))}</title></circle>"
            for a, b, i in points
            if math.isfinite(a) and math.isfinite(b)
        ]
    return "".join(parts)


def _band(line: Line, colour: str, x: Axis, y: Axis, chosen: list[int]) -> str:
    if line.low is None or line.high is None:
        return ""
    ends = [(x.place(float(line.x[i])), y.place(float(line.low[i])), y.place(float(line.high[i]))) for i in chosen]
    ends = [each for each in ends if all(map(math.isfinite, each))]
    if line.dots:
        return "".join(
            f'<line x1="{a:.1f}" x2="{a:.1f}" y1="{low:.1f}" y2="{high:.1f}" style="stroke:{colour};stroke-width:1.6"/>'
            for a, low, high in ends
        )
    outline = [(a, low) for a, low, _ in ends] + [(a, high) for a, _, high in reversed(ends)]
    return (
        f'<polygon points="{" ".join(f"{a:.1f},{b:.1f}" for a, b in outline)}" style="fill:{colour};opacity:.18"/>'
        if len(ends) > 1
        else ""
    )


def _runs(points: list[tuple[float, float, int]]) -> list[list[tuple[float, float, int]]]:
    """The stretches without a gap."""
    runs: list[list[tuple[float, float, int]]] = [[]]
    for point in points:
        if math.isfinite(point[0]) and math.isfinite(point[1]):
            runs[-1].append(point)
        elif runs[-1]:
            runs.append([])
    return [run for run in runs if len(run) > 1]
