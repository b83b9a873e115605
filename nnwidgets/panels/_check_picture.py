"""Numeric against analytic derivatives of one tensor, as a small SVG in the colours of the theme."""

from __future__ import annotations

import math

from nnwidgets.records import TensorCheck
from nnwidgets.records import reading as words_of

from ._text import escape
from ._theme import number

SIZE, EDGE = 250, 46
# Further room on the left, for numbers such as -1.2e-12.
ROOM = 26


def picture(tensor: TensorCheck) -> str:
    """A point a direction or coordinate: right ones lie on the diagonal, wrong ones are red crosses.

    At a kink, the two one-sided slopes stand below it.
    """
    pairs = [
        (a, n, label)
        for a, n, label in zip(tensor.analytic, tensor.numeric, tensor.sampled, strict=True)
        if math.isfinite(a) and math.isfinite(n)
    ]
    below = _below(tensor)
    if not pairs:
        return f'<div class="nnw-note">{escape(below or "nothing was sampled")}</div>'
    low = min(min(a, n) for a, n, _ in pairs)
    high = max(max(a, n) for a, n, _ in pairs)
    margin = 0.08 * (high - low) or abs(high) or 1.0
    low, high = min(low, 0.0) - margin, max(high, 0.0) + margin

    def across(value: float) -> float:
        return EDGE + (SIZE - EDGE - 6) * (value - low) / (high - low)

    def up(value: float) -> float:
        return SIZE - across(value)

    bad, least = tensor.verdict in ("wrong", "non-finite"), 1e-9 * max(-low, high)
    points = "".join(
        _point(across(a), up(n), bad and not math.isclose(a, n, rel_tol=1e-4, abs_tol=least), label)
        + f"<title>{escape(_name(label))}: analytic {number(a, 5)}, numeric {number(n, 5)}</title></circle>"
        for a, n, label in pairs
    )
    zero = "".join(
        f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" class="nnw-grid-line"/>'
        for x1, y1, x2, y2 in (
            (across(0), up(low), across(0), up(high)),
            (across(low), up(0), across(high), up(0)),
        )
    )
    ends = f'x1="{across(low):.1f}" y1="{up(low):.1f}" x2="{across(high):.1f}" y2="{up(high):.1f}"'
    diagonal = f'<line {ends} class="nnw-diagonal"/>'
    ticks = "".join(
        f'<text x="{across(value):.1f}" y="{SIZE - EDGE + 16}" text-anchor="{anchor}">{number(value, 2)}</text>'
        f'<text x="{EDGE - 4}" y="{up(value) + shift:.1f}" text-anchor="end">{number(value, 2)}</text>'
        for value, anchor, shift in ((low, "start", 0), (high, "end", 10))
    )
    middle = (SIZE - EDGE) / 2
    labels = (
        f'<text x="{(SIZE + EDGE) / 2}" y="{SIZE - 4}" text-anchor="middle">analytic</text>'
        f'<text x="{10 - ROOM}" y="{middle}" text-anchor="middle" transform="rotate(-90 {10 - ROOM} {middle})">numeric</text>'
    )
    alt = f"numeric against analytic derivatives of {escape(tensor.path)}"
    return (
        f'<svg class="nnw-picture" viewBox="{-ROOM} 0 {SIZE + ROOM} {SIZE}" width="{SIZE + ROOM}" height="{SIZE}" '
        f'role="img" aria-label="{alt}">'
        f"{zero}{diagonal}{points}{ticks}{labels}</svg>"
        f'<div class="nnw-note">{escape(below)}</div>'
    )


def _below(tensor: TensorCheck) -> str:
    parts = []
    if tensor.slopes is not None and all(map(math.isfinite, tensor.slopes)):
        left, right = (number(each, 4) for each in tensor.slopes)
        parts.append(f"a corner of the loss: slope to the left {left}, to the right {right}")
    if tensor.error is not None:
        parts.append(f"error {tensor.error:.1e}: {words_of(tensor.error)}")
    if tensor.words:
        parts.append(tensor.words)
    return "; ".join(parts)


def _point(x: float, y: float, bad: bool, label: str) -> str:
    """A circle, up to its title; one that is bad lies under a cross."""
    size = 4 if label == "direction" else 3
    circle = f'<circle cx="{x:.1f}" cy="{y:.1f}" r="{size}" class="{"nnw-bad" if bad else ""}">'
    if not bad:
        return circle
    wide = 2 * size + 4
    return f'<path d="M{x - size - 2:.1f} {y - size - 2:.1f}l{wide} {wide}m0 {-wide}l{-wide} {wide}"/>{circle}'


def _name(label: str) -> str:
    return label if label == "direction" else f"coordinate {label}"
