"""The loss in a picture that is kept."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from nnwidgets.records import History, log_ticks, ticks_between

from ._curve import log10, outline, smooth
from ._narrow import Narrow
from ._still_canvas import GREY, GRID, Canvas
from ._theme import number

_LEFT = 58.0


def draw_loss(canvas: Canvas, history: History, y: float, tall: float) -> float:
    """Training (solid) and validation (dashed) loss over the steps, and in grey the ways that a rewound run left; its foot."""
    train, validation = (Narrow(400) for _ in range(2))
    series = [narrow.look(history, f"{part}/loss") for part, narrow in (("train", train), ("validation", validation))]
    known = [each for each in series if each is not None]
    left, right, foot = _LEFT, canvas.wide - 16.0, y + tall
    if not known:
        canvas.text(16, y + 26, "Loss: fewer than two steps have been read.", "muted")
        return y + 40
    others = [outline(branch.loss) for branch in history.branches]
    lines = [*(outline(each) for each in known), *others]
    values = np.concatenate([np.ravel(line) for _, line in lines])
    values = values[np.isfinite(values)]
    log = bool(values.size and values.min() > 0 and values.max() > 50 * values.min())
    scaled = log10 if log else np.asarray
    low, high = _ends(scaled(values) if values.size else np.array([0.0, 1.0]))
    steps = np.concatenate([each for each, _ in lines])
    first, last = float(steps.min()), max(float(steps.max()), float(steps.min()) + 1)

    def place(x: npt.ArrayLike, up: npt.ArrayLike) -> npt.NDArray[np.float64]:
        across = left + (np.asarray(x, np.float64) - first) / (last - first) * (right - left)
        return np.stack([across, foot - (np.asarray(up, np.float64) - low) / (high - low) * tall], axis=1)

    canvas.text(16, y - 10, "Loss", size=13, bold=True)
    _legend(canvas, y - 10, log, series[1] is not None, bool(history.branches))
    for tick in log_ticks(low, high) if log else ticks_between(low, high, count=4):
        height = float(place([first], [tick])[0, 1])
        canvas.line([(left, height), (right, height)], GRID)
        # lower down stands "step"
        if height < foot - 8:
            canvas.text(left - 6, height + 4, number(10.0**tick if log else tick, 2), "muted", 11, align="right")
    for tick in ticks_between(first, last, whole=True):
        across = float(place([tick], [low])[0, 0])
        canvas.text(min(max(across, left + 8), right - 14), foot + 16, number(tick, 6), "muted", 11, align="middle")
    canvas.text(left - 6, foot + 16, "step", "muted", 11, align="right")
    for x, line in others:
        canvas.line(place(x, scaled(line[0])), GREY, 1.5)
    if series[0] is not None:
        x, line = outline(series[0])
        canvas.line(place(x, scaled(line[0])), GREY, 0.5)
        mean = smooth(series[0].steps, series[0].values[:, 0], max((last - first) / 100, 1.0))
        canvas.line(place(series[0].steps, scaled(mean)), "ink", 2)
        bad = series[0].steps[train.bad[:, 0]]
        for across, height in place(bad, np.full(len(bad), low)):
            canvas.shape(across, height - 5, 9, "triangle", "problem")
        if len(bad):
            whole = history["train/loss"]
            first_bad = int(whole.steps[~np.isfinite(whole.values[:, 0] + whole.low[:, 0] + whole.high[:, 0])][0])
            words = f"triangles: not finite, first at step {first_bad:,}"
            canvas.text(right, y - 10, words, "problem", 11, align="right")
    if series[1] is not None:
        points = place(series[1].steps, scaled(series[1].values[:, 0]))
        canvas.line(points, "ink", 1.5, dash=5)
        for across, height in points[np.isfinite(points).all(axis=1)] if len(points) <= 60 else ():
            canvas.shape(across, height, 5, "disc", "ink")
    return foot + 22


def _ends(values: npt.NDArray[np.float64]) -> tuple[float, float]:
    values = values[np.isfinite(values)]
    low, high = (float(values.min()), float(values.max())) if values.size else (0.0, 1.0)
    room = 0.04 * (high - low) or 0.05 * abs(high) or 1.0
    return low - room, high + room


def _legend(canvas: Canvas, y: float, log: bool, validated: bool, branched: bool) -> None:
    x = 70.0
    for words, colour, dash, shown in (("train", "ink", 0.0, True), ("validation", "ink", 5.0, validated),
                                       ("before a rewind", GREY, 0.0, branched)):  # fmt: skip
        if shown:
            canvas.line([(x, y - 4), (x + 24, y - 4)], colour, 2, dash)
            x += 30 + canvas.text(x + 29, y, words, "muted", 11) + 16
    if log:
        canvas.text(x, y, "log scale", "muted", 11)
