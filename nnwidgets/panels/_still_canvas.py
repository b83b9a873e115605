"""A small canvas for a picture that is kept: few colours, sharp at twice its size, light on a card of its own."""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw
from PIL.PngImagePlugin import PngInfo

from ._still_font import fit, glyph, readable, width, wrapped

# Pixels for a point of the page.
SHARP = 2
# Colours of letters, on the card's own ground: at least 4.5 to 1 against it.
INKS = {
    "ink": "#1f2328",
    "muted": "#59626e",
    "problem": "#c3262d",
    "warning": "#8a5a00",
    "note": "#3a5f8a",
    "good": "#1d7a4a",
}
GROUND, EDGE, GRID, GREY = "#fbfbfc", "#d0d5dc", "#e9ecf0", "#aab1ba"
# Steps of one colour between the ground and itself, for the edges of letters.
_STEPS = 6
# cividis (Nunez et al. 2018), made for colour-blind eyes; the same as in heatmap.js.
_RAMP = ((0, 34, 78), (59, 73, 107), (110, 110, 115), (163, 152, 115), (217, 199, 88), (254, 232, 56))
SHADES = 40
# Who made the picture: it stands at the beginning of the file, where echo.js looks for it.
MADE_BY = "nnwidgets"


class Canvas:
    """Pixels that are numbers of colours. Places and lengths are points from the upper left corner.

    Args:
        wide: its width.
        tall: its height; `cut` makes it less.
        colours: further colours, as "#rrggbb"; at most 100 different ones.
    """

    def __init__(self, wide: int, tall: int, colours: Sequence[str] = ()) -> None:
        self.wide, self.tall = wide, tall
        self._colours = [_mix(ink, share / (_STEPS - 1)) for ink in INKS.values() for share in range(_STEPS)]
        self._ramp = len(self._colours)
        self._colours += [_ramp(shade / (SHADES - 1)) for shade in range(SHADES)]
        self._plain: dict[str, int] = {}
        for colour in (GROUND, EDGE, GRID, GREY, "#ffffff", *colours):
            if colour not in self._plain:
                self._plain[colour] = len(self._colours)
                self._colours.append(_rgb(colour))
        self._image = Image.new("P", (wide * SHARP, tall * SHARP), self._plain[GROUND])
        self._image.putpalette([part for colour in self._colours[:256] for part in colour])
        self._draw: Any = ImageDraw.Draw(self._image)

    def text(
        self, x: float, y: float, words: str, ink: str = "ink", size: float = 12, *,
        bold: bool = False, align: Literal["left", "right", "middle"] = "left", within: float | None = None,
    ) -> float:  # fmt: skip
        """Write one line whose base line is at `y`, cut in its middle to be no wider than `within`; its width."""
        pixels = round(size * SHARP)
        words = fit(words, within * SHARP, pixels) if within is not None else readable(words)
        wide = width(words, pixels)
        left = round(x * SHARP - {"left": 0.0, "right": wide, "middle": wide / 2}[align])
        cover = _line(words, pixels, bold)
        if cover.size:
            first = list(INKS).index(ink) * _STEPS
            shade = (cover.astype(np.uint16) * (_STEPS - 1) + 127) // 255
            seen = Image.fromarray((shade > 0).astype(np.uint8) * 255)
            letters = Image.fromarray((first + shade).astype(np.uint8))
            self._image.paste(letters, (left - pixels, round(y * SHARP) - 2 * pixels), seen)
        return wide / SHARP

    def paragraph(
        self, x: float, y: float, words: str, wide: float, ink: str = "ink", size: float = 12, most: int = 3
    ) -> float:
        """Write words in at most so many lines, the first at `y`; where the next one would be."""
        for line in wrapped(words, wide * SHARP, round(size * SHARP), most):
            self.text(x, y, line, ink, size)
            y += size * 1.4
        return y

    def line(self, points: npt.ArrayLike, colour: str, thick: float = 1.0, dash: float = 0.0) -> None:
        """Join points (n, 2) by a line; a point that is not finite is a gap. `dash`: length of a stroke and of a gap."""
        places = np.asarray(points, np.float64) * SHARP
        good = np.isfinite(places).all(axis=1)
        breaks = np.flatnonzero(np.diff(good.astype(np.int8), prepend=0, append=0))
        for start, end in zip(breaks[0::2], breaks[1::2], strict=True):
            run = places[start:end]
            if len(run) == 1:
                radius = max(1.0, thick * SHARP / 2)
                self._draw.ellipse((*(run[0] - radius), *(run[0] + radius)), fill=self._number(colour))
            for stroke in _dashes(run, dash * SHARP) if dash else [run]:
                self._draw.line(
                    [tuple(each) for each in stroke.tolist()], self._number(colour), max(1, round(thick * SHARP))
                )

    def box(
        self, x: float, y: float, wide: float, tall: float, colour: str, edge: str | None = None, round_: float = 0
    ) -> None:
        """A filled rectangle."""
        corners = (x * SHARP, y * SHARP, (x + wide) * SHARP - 1, (y + tall) * SHARP - 1)
        outline = None if edge is None else self._number(edge)
        self._draw.rounded_rectangle(corners, round_ * SHARP, self._number(colour), outline, 2)

    def shape(self, x: float, y: float, size: float, form: str, colour: str) -> None:
        """A small "square", "triangle", "ring" or "disc" round (x, y)."""
        x, y, half = x * SHARP, y * SHARP, size * SHARP / 2
        corners, filled = (x - half, y - half, x + half, y + half), self._number(colour)
        if form == "square":
            self._draw.rectangle(corners, fill=filled)
        elif form == "triangle":
            self._draw.polygon([(x, y - half), (x + half, y + half), (x - half, y + half)], fill=filled)
        elif form == "ring":
            self._draw.ellipse(corners, outline=filled, width=2 * SHARP)
        else:
            self._draw.ellipse(corners, fill=filled)

    def shades(
        self, x: float, y: float, wide: float, tall: float, shares: npt.NDArray[np.float64], bad: npt.ArrayLike
    ) -> None:
        """A grid of numbers between 0 and 1 as colours; NaN is blank, `bad` is striped, like no colour of the scale."""
        if not shares.size:
            return
        known = np.where(np.isfinite(shares), np.clip(shares, 0.0, 1.0), 0.0)
        cells = np.where(np.isfinite(shares), self._ramp + np.rint(known * (SHADES - 1)), self._plain["#ffffff"])
        size = max(1, round(wide * SHARP)), max(1, round(tall * SHARP))
        down, across = (np.arange(size[k]) * shares.shape[1 - k] // size[k] for k in (1, 0))
        pixels = cells.astype(np.uint8)[down[:, None], across]
        marked = np.asarray(bad, bool)
        if marked.any():
            stripe = (np.arange(size[1])[:, None] + np.arange(size[0])) // 3 % 2
            both = np.where(stripe, self._number("problem"), self._plain["#ffffff"])
            pixels = np.where(marked[down[:, None], across], both, pixels).astype(np.uint8)
        self._image.paste(Image.fromarray(pixels), (round(x * SHARP), round(y * SHARP)))

    def cut(self, tall: float) -> None:
        """Make it this tall, and draw its edge."""
        self.tall = round(tall)
        self._image = self._image.crop((0, 0, self.wide * SHARP, self.tall * SHARP))
        self._draw = ImageDraw.Draw(self._image)
        corner = self.wide * SHARP - 1, self.tall * SHARP - 1
        self._draw.rectangle((0, 0, *corner), outline=self._plain[EDGE], width=SHARP)

    def png(self) -> bytes:
        """The picture as a file."""
        about, file = PngInfo(), io.BytesIO()
        about.add_text("Software", MADE_BY)
        self._image.save(file, "PNG", compress_level=6, pnginfo=about)
        return file.getvalue()

    def _number(self, colour: str) -> int:
        if colour in INKS:
            return list(INKS).index(colour) * _STEPS + _STEPS - 1
        return self._plain[colour]


def _line(words: str, pixels: int, bold: bool) -> npt.NDArray[np.uint8]:
    """How much of each pixel a line covers; the pen starts one letter's height from the left, the base two from above."""
    cover = np.zeros((3 * pixels, round(width(words, pixels)) + 3 * pixels), np.uint8)
    pen = float(pixels)
    for letter in words:
        drawn = glyph(letter, pixels)
        for shift in (0, 1) if bold else (0,):
            top, left = 2 * pixels + drawn.down, round(pen) + drawn.across + shift
            there = cover[top : top + drawn.cover.shape[0], left : left + drawn.cover.shape[1]]
            np.maximum(there, drawn.cover[: there.shape[0], : there.shape[1]], out=there)
        pen += drawn.advance
    return cover


def _dashes(points: npt.NDArray[np.float64], dash: float) -> list[npt.NDArray[np.float64]]:
    """Every second stretch of a line."""
    along = np.concatenate([[0.0], np.cumsum(np.hypot(*np.diff(points, axis=0).T))])
    if along[-1] <= dash:
        return [points]
    strokes = []
    for start in np.arange(0.0, along[-1], 2 * dash):
        inside = along[(along > start) & (along < start + dash)]
        at = np.concatenate([[start], inside, [min(start + dash, along[-1])]])
        strokes.append(np.stack([np.interp(at, along, points[:, k]) for k in (0, 1)], axis=1))
    return strokes


def _rgb(colour: str) -> tuple[int, int, int]:
    return int(colour[1:3], 16), int(colour[3:5], 16), int(colour[5:7], 16)


def _mix(ink: str, share: float) -> tuple[int, int, int]:
    r, g, b = (round(low + share * (high - low)) for low, high in zip(_rgb(GROUND), _rgb(ink), strict=True))
    return r, g, b


def _ramp(share: float) -> tuple[int, int, int]:
    place = min(0.9999, share) * (len(_RAMP) - 1)
    first, rest = int(place), place % 1
    r, g, b = (round(a + (b - a) * rest) for a, b in zip(_RAMP[first], _RAMP[first + 1], strict=True))
    return r, g, b
