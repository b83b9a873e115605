"""The one place for colours, formats and the order of layers: the same layer has the same colour in every panel."""

from __future__ import annotations

import math
import re
from collections.abc import Container
from functools import lru_cache
from pathlib import Path

from nnwidgets.records import History
from nnwidgets.records import duration as duration
from nnwidgets.records import number as number

from ._text import escape

STATIC = Path(__file__).parent / "static"

# Readable on white and on near-black alike. WRONG is kept for what is wrong and used for nothing else.
WRONG = "#e5484d"
GREY = "#8a8f98"
# The text's own colour, in either theme: for what is of no layer. Train is solid, validation dashed.
INK = "var(--nnw-ink)"

# Widest picture in points: no panel sends more columns than this, however long the run.
COLUMNS = 500


def layer_of(tensor: str) -> str:
    """The layer that a tensor's path belongs to.

    Example:
        >>> layer_of("encoder/Dense_0/kernel"), layer_of("scale")
        ('encoder/Dense_0', 'scale')
    """
    return tensor.rpartition("/")[0] or tensor


@lru_cache(maxsize=64)
def depth_order(layers: tuple[str, ...], calls: tuple[str, ...] = ()) -> list[int]:
    """Positions of the layers, first to last.

    Args:
        layers: paths of layers, or of tensors or nonlinearities in them.
        calls: layers in the order in which the network calls them, where that is known; what is not among them comes
            last. Where it is not known: the order given, but ``layer_2`` before ``layer_10`` if that is alphabetical.

    Example:
        >>> depth_order(("layer_0", "layer_10", "layer_2"))
        [0, 2, 1]
        >>> depth_order(("digit/kernel", "hidden/kernel"), calls=("hidden", "digit"))
        [1, 0]
    """
    positions = list(range(len(layers)))
    if calls:
        # the second call of a layer is "layer (2)", the first layer of a scan "layer[0]"
        paths = [re.sub(r"(\[\d+\])?( \(\d+\))?$", "", call) for call in calls]
        ranks = {path: rank for rank, path in reversed(list(enumerate(paths)))}
        return sorted(positions, key=lambda position: ranks.get(_nearest(layers[position], ranks), len(calls)))
    if list(layers) != sorted(layers):
        return positions
    return sorted(positions, key=lambda position: [_number(part) for part in re.split(r"(\d+)", layers[position])])


@lru_cache(maxsize=64)
def palette(count: int) -> tuple[str, ...]:
    """Colours for `count` layers from first to last: violet, blue, green, gold, so that the hue tells the depth.

    Neighbours differ in lightness too, so that they can be told apart in a deep network, and by eyes that see fewer
    hues or none. Red is left out. Hue and lightness are those of OKLCH (https://bottosson.github.io/posts/oklab).
    """
    colours = []
    for position in range(count):
        share = position / (count - 1) if count > 1 else 0.3
        # both at least 3 to 1 against white and against JupyterLab's dark ground
        lightness = (0.52, 0.645)[position % 2]
        colours.append(_oklch(lightness, 0.13, 305.0 - 230.0 * share))
    return tuple(colours)


def layer_colours(history: History) -> dict[str, str]:
    """The colour of each layer of this history's tensors, in the order of depth; empty before the first reading."""
    for name in ("gradient/norm", "update/ratio", "parameter/norm", "update/norm"):
        if name in history:
            return _assign(history.tail(name, 1).layers, _calls(history))
    return {}


def order_in(history: History, layers: tuple[str, ...]) -> list[int]:
    """The positions of these layers or tensors, first to last, as far as this history knows the network's order."""
    return depth_order(layers, _calls(history))


def colour_of(path: str, colours: dict[str, str]) -> str:
    """The colour of a tensor, of a layer, or of something inside a layer (its nonlinearity); grey if of none."""
    return colours.get(_nearest(path, colours), GREY)


def rule_words(rule: str) -> str:
    """The name of a rule as words.

    Example:
        >>> rule_words("NonFinite")
        'non finite'
    """
    return "".join(f" {letter.lower()}" if letter.isupper() else letter for letter in rule).strip()


def newest_step(history: History) -> int:
    """The step of the newest reading of any kind; -1 before the first."""
    newest = (history.latest(name) for name in history.names())
    return max((row[0] for row in newest if row is not None), default=-1)


def at_step(step: int, now: int) -> str:
    """What follows a number that is older than `now`.

    Example:
        >>> at_step(200, now=240), at_step(240, now=240)
        (' at step 200', '')
    """
    return f" at step {step:,}" if step < now else ""


def waiting(what: str) -> str:
    """What an empty panel says."""
    return f'<div class="nnw-waiting">{escape(what)}</div>'


def _nearest(path: str, known: Container[str]) -> str:
    """The path, or what it lies in, that is known; "" if nothing is."""
    while path and path not in known:
        path = path.rpartition("/")[0]
    return path


def _calls(history: History) -> tuple[str, ...]:
    for name in ("activation/mean", "activation/std"):
        if name in history:
            return history.tail(name, 1).layers
    return ()


@lru_cache(maxsize=64)
def _assign(tensors: tuple[str, ...], calls: tuple[str, ...]) -> dict[str, str]:
    ordered = [tensors[position] for position in depth_order(tensors, calls)]
    layers = list(dict.fromkeys(layer_of(tensor) for tensor in ordered))
    return dict(zip(layers, palette(len(layers)), strict=True))


def _number(part: str) -> tuple[int, str]:
    return (int(part), "") if part.isdigit() else (-1, part)


def _oklch(lightness: float, chroma: float, hue: float) -> str:
    a, b = chroma * math.cos(math.radians(hue)), chroma * math.sin(math.radians(hue))
    long = (lightness + 0.3963377774 * a + 0.2158037573 * b) ** 3
    middle = (lightness - 0.1055613458 * a - 0.0638541728 * b) ** 3
    short = (lightness - 0.0894841775 * a - 1.2914855480 * b) ** 3
    linear = (
        4.0767416621 * long - 3.3077115913 * middle + 0.2309699292 * short,
        -1.2684380046 * long + 2.6097574011 * middle - 0.3413193965 * short,
        -0.0041960863 * long - 0.7034186147 * middle + 1.7076147010 * short,
    )
    clipped = (min(1.0, max(0.0, part)) for part in linear)
    gamma = (12.92 * part if part <= 0.0031308 else 1.055 * part ** (1 / 2.4) - 0.055 for part in clipped)
    return "#" + "".join(f"{round(255 * part):02x}" for part in gamma)
