"""Letters as pixels: Pillow's own font, and for letters that it lacks a font of the machine, if one has them."""

from __future__ import annotations

import textwrap
import unicodedata
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import ImageFont

from ._text import literal

# Pillow's font has ASCII and little more: what our own messages use besides has an equal in it.
_EQUAL = str.maketrans(
    {
        "\u00d7": "x", "\u2192": "->", "\u2190": "<-", "\u2265": ">=", "\u2264": "<=", "\u2013": "-", "\u2014": "-",
        "\u2212": "-", "\u2019": "'", "\u2713": "", "\u221e": "inf", "\u2248": "~", "\u2002": " ", "\u00a0": " ",
    }
)  # fmt: skip
# Searched in the machine's folders of fonts; the first that has the letter is taken.
_OTHERS = (
    "DejaVuSans.ttf", "NotoSansCJK-Regular.ttc", "NotoSans-Regular.ttf", "wqy-microhei.ttc", "wqy-zenhei.ttc",
    "fonts-japanese-gothic.ttf", "FreeSans.ttf", "unifont.otf", "Arial Unicode.ttf", "Arial.ttf", "segoeui.ttf",
    "msyh.ttc", "malgun.ttf", "PingFang.ttc", "Hiragino Sans GB.ttc", "Helvetica.ttc",
)  # fmt: skip


@dataclass(frozen=True, eq=False)
class Glyph:
    """One letter.

    Attributes:
        cover: uint8 (height, width), how much of each pixel it covers.
        across: pixels from the pen to its left edge.
        down: pixels from the base line to its upper edge, mostly negative.
        advance: pixels to the next letter.
    """

    cover: npt.NDArray[np.uint8]
    across: int
    down: int
    advance: float


def readable(text: str) -> str:
    r"""The text in one line, without signs that cannot be seen.

    Example:
        >>> readable("a\n b\x1b[31m \u2192 2")
        'a b\\x1b[31m -> 2'
    """
    words = literal(" ".join(text.split()).translate(_EQUAL))
    return "".join(letter if letter.isprintable() else ascii(letter)[1:-1] for letter in words)


def width(text: str, size: int) -> float:
    """How many pixels wide the text is."""
    return sum(glyph(letter, size).advance for letter in text)


def fit(words: str, within: float, pixels: int) -> str:
    """The words in one line, without their middle where they are wider than `within` pixels."""
    words = readable(words)
    # no line holds more: a name of a million letters is not measured
    words = words if len(words) <= 800 else f"{words[:400]}…{words[-400:]}"
    if width(words, pixels) <= within:
        return words
    low, high = 0, len(words)
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if width(_without_middle(words, middle), pixels) <= within else (low, middle)
    return _without_middle(words, low)


def wrapped(words: str, wide: float, pixels: int, most: int) -> list[str]:
    """The words in at most so many lines of this width in pixels; three dots where more was said."""
    lines, line = [""], 0.0
    for word in readable(words)[:4000].split():
        # a word without a gap is broken: a path, say
        for piece in textwrap.wrap(word, max(8, int(1.4 * wide / pixels))):
            needed = width(piece, pixels)
            if lines[-1] and line + needed > wide:
                if len(lines) == most:
                    lines[-1] += " …"
                    return lines
                lines.append("")
                line = 0.0
            lines[-1] += f" {piece}" if lines[-1] else piece
            line += needed + width(" ", pixels)
    return lines


def _without_middle(words: str, kept: int) -> str:
    # the end of a path says more than its beginning
    tail = (2 * kept + 2) // 3
    return f"{words[: kept - tail]}…{words[len(words) - tail :]}"


@lru_cache(maxsize=4096)
def glyph(letter: str, size: int) -> Glyph:
    """A letter at this size in pixels; one that no font has loses its accent, or becomes a question mark."""
    letter, font = _found(letter)
    sized = _sized(font, size)
    mask, (across, down) = sized.getmask2(letter, "L", anchor="ls")
    cover = np.frombuffer(bytes(mask), np.uint8).reshape(mask.size[::-1])
    return Glyph(cover, int(across), int(down), float(sized.getlength(letter)))


def lacks(text: str) -> bool:
    """Whether some of its letters are shown as question marks."""
    return any(_found(letter)[0] == "?" != letter for letter in text)


@lru_cache(maxsize=4096)
def _found(letter: str) -> tuple[str, str]:
    """The letter that can be shown, and the name of its font, "" for Pillow's own."""
    if " " <= letter <= "~":
        return letter, ""
    plain = unicodedata.normalize("NFKD", letter)[0]
    for name in ("", *_OTHERS):
        if _has(name, letter):
            return letter, name
    return (plain, "") if " " < plain <= "~" else ("?", "")


@lru_cache(maxsize=256)
def _sized(name: str, size: int) -> Any:
    if not name:
        # not load_default() alone: that is a bitmap of fixed size where Pillow was built without FreeType
        return ImageFont.load_default(size)
    return ImageFont.truetype(name, size, layout_engine=ImageFont.Layout.BASIC)


@lru_cache(maxsize=64)
def _missing(name: str) -> bytes | None:
    """How a font draws a letter that it lacks; None where there is no such font."""
    try:
        return bytes(_sized(name, 24).getmask("\uffff", "L"))
    except OSError:
        return None


def _has(name: str, letter: str) -> bool:
    missing = _missing(name)
    return missing is not None and bytes(_sized(name, 24).getmask(letter, "L")) != missing
