"""The frame of a picture: two axes with ticks, guides and words, as SVG in the colours of the page."""

from __future__ import annotations

import html
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ._exploration import Guide
from ._ticks import log_ticks, tick_words, ticks_between

WIDTH, HEIGHT = 480, 280
LEFT, RIGHT, TOP, BOTTOM = 64, 14, 18, 44
SIZE = "var(--jp-ui-font-size1, 13px)"
"""Of all words in a picture and beside it: no smaller than those around it."""
INK = "var(--jp-ui-font-color1, var(--vscode-editor-foreground, currentColor))"
# Told apart by those who see no red or green, too; red is kept for what is wrong.
COLOURS = ("#3f8fd6", "#e0912f", "#2f9e64", "#a86fd4", "#b8a500", "#6d7f95")


# Names along an axis, and the letters of each, for which there is room.
_MOST_NAMES, _LONGEST = 5, 11
# Left free at both ends of an axis, as a share.
_ROOM = 0.04


@dataclass(frozen=True)
class Axis:
    """From numbers to places along one side of the picture.

    Attributes:
        low: the smallest number shown, its log10 if `log`.
        high: the largest.
        log: whether powers of ten are shown.
        start: the place of the smallest, in pixels.
        end: that of the largest.
        names: what stands at 1, 2, ... where these are no numbers.
    """

    low: float
    high: float
    log: bool
    start: float
    end: float
    names: tuple[str, ...] = ()

    def place(self, value: float) -> float:
        """Where a number lies; NaN where it has no place on a logarithmic axis."""
        if self.log:
            value = math.log10(value) if value > 0 and math.isfinite(value) else math.nan
        return self.start + (self.end - self.start) * (value - self.low) / (self.high - self.low)

    def ticks(self) -> list[tuple[float, str]]:
        """Places and words."""
        if self.names:
            every = -(-len(self.names) // _MOST_NAMES)
            return [(self.place(i + 1), _short(name)) for i, name in enumerate(self.names) if i % every == 0]
        ticks = log_ticks(self.low, self.high) if self.log else ticks_between(self.low, self.high)
        words = tick_words(ticks, self.log, False)
        return [
            (self.start + (self.end - self.start) * (tick - self.low) / (self.high - self.low), word)
            for tick, word in zip(ticks, words, strict=True)
            if self.low - 1e-9 <= tick <= self.high + 1e-9
        ]


def _short(name: str) -> str:
    return name if len(name) <= _LONGEST else "\u2026" + name[1 - _LONGEST :]


def axis(
    parts: Iterable[npt.ArrayLike],
    log: bool,
    start: float,
    end: float,
    *,
    also: Sequence[float] = (),
) -> Axis:
    """An axis on which everything finite has a place.

    Args:
        parts: numbers.
        log: whether it shows powers of ten.
        start: the place of the smallest.
        end: that of the largest.
        also: numbers that have a place, too, if that is at most half the picture away.
    """
    values = np.concatenate([np.asarray(part, np.float64).reshape(-1) for part in parts] or [np.zeros(0)])
    values = values[np.isfinite(values) & ((values > 0) | (not log))]
    values = np.log10(values) if log else values
    low, high = (float(values.min()), float(values.max())) if values.size else (0.0, 1.0)
    if high - low < 1e-12 * max(1.0, abs(high)):
        low, high = low - 0.5 * (abs(low) or 1.0), high + 0.5 * (abs(high) or 1.0)
    for each in also:
        at = (math.log10(each) if each > 0 else math.nan) if log else each
        if abs(at - (low + high) / 2) < high - low:
            low, high = min(low, at), max(high, at)
    more = _ROOM * (high - low)
    return Axis(low - more, high + more, log, start, end)


def frame(x: Axis, y: Axis, x_words: str, y_words: str) -> str:
    """Grid lines, ticks and the names of both axes."""
    parts = [
        f'<line x1="{at:.1f}" x2="{at:.1f}" y1="{TOP}" y2="{HEIGHT - BOTTOM}" {_LINE}/>'
        f'<text x="{at:.1f}" y="{HEIGHT - BOTTOM + 16}" text-anchor="middle" {_WORDS}>{html.escape(word)}</text>'
        for at, word in x.ticks()
    ]
    parts += [
        f'<line x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{at:.1f}" y2="{at:.1f}" {_LINE}/>'
        f'<text x="{LEFT - 6}" y="{at + 4:.1f}" text-anchor="end" {_WORDS}>{html.escape(word)}</text>'
        for at, word in y.ticks()
    ]
    middle = (TOP + HEIGHT - BOTTOM) / 2
    parts.append(
        f'<text x="{(LEFT + WIDTH - RIGHT) / 2:.0f}" y="{HEIGHT - 8}" text-anchor="middle" {_WORDS}>'
        f"{html.escape(x_words)}</text>"
        f'<text x="12" y="{middle:.0f}" text-anchor="middle" transform="rotate(-90 12 {middle:.0f})" {_WORDS}>'
        f"{html.escape(y_words)}</text>"
    )
    return "".join(parts)


def guides(given: Sequence[Guide], x: Axis, y: Axis) -> str:
    """Dashed lines with their words, each lower than the one before."""
    parts: list[str] = []
    for number, guide in enumerate(given):
        along = x if guide.axis == "x" else y
        at = along.place(guide.at)
        first, last = sorted((along.start, along.end))
        if not math.isfinite(at) or not first - 1 <= at <= last + 1:
            continue
        if guide.axis == "x":
            side, anchor = (-4, "end") if at > (LEFT + WIDTH - RIGHT) / 2 else (4, "start")
            ends = f'x1="{at:.1f}" x2="{at:.1f}" y1="{TOP}" y2="{HEIGHT - BOTTOM}"'
            text = f'x="{at + side:.1f}" y="{TOP + 12 + 16 * number}" text-anchor="{anchor}"'
        else:
            ends = f'x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{at:.1f}" y2="{at:.1f}"'
            text = f'x="{WIDTH - RIGHT - 4}" y="{at - 4:.1f}" text-anchor="end"'
        parts.append(
            f'<line {ends} style="stroke:{INK};stroke-width:1.2;stroke-dasharray:4 3;opacity:.75"/>'
            f'<text {text} style="fill:{INK};font-size:{SIZE};paint-order:stroke;stroke:{GROUND};stroke-width:3px">'
            f"{html.escape(guide.words)}</text>"
        )
    return "".join(parts)


def svg(title: str, body: str, *, width: int = WIDTH, height: int = HEIGHT) -> str:
    """The picture with what a screen reader says of it."""
    return (
        f'<svg viewBox="0 0 {width} {height}" width="{width}" height="{height}" role="img" '
        f'aria-label="{html.escape(title, quote=True)}" style="max-width:100%;height:auto;font-family:inherit">{body}</svg>'
    )


GROUND = "var(--jp-layout-color1, var(--vscode-editor-background, Canvas))"
_LINE = f'style="stroke:{INK};stroke-width:1;opacity:.13"'
_WORDS = f'style="fill:{INK};font-size:{SIZE};opacity:.85"'
