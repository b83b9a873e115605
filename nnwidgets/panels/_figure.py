"""A bqplot figure over the steps, with axes whose ticks people can read."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from nnwidgets.records import log_ticks, tick_words, ticks_between

from ._theme import GREY

with warnings.catch_warnings():
    # bqscales sets metadata in a way that traitlets has deprecated
    warnings.filterwarnings("ignore", "metadata {'args'", DeprecationWarning)
    import bqplot as _bqplot

# its modules and classes share names, which type checkers take for modules
bqplot: Any = _bqplot

MARGIN = {"top": 8, "bottom": 36, "left": 58, "right": 12}


class StepFigure:
    """One figure with the step on the horizontal axis; its marks are made once and then changed in place.

    A logarithmic axis is a linear one whose data are log10 of the values: NaN is a gap, and the ticks are ours.

    Args:
        height: in CSS pixels.
        log: whether the vertical axis shows powers of ten.
    """

    def __init__(self, height: int, *, log: bool) -> None:
        self.log = log
        self.x, self.y = bqplot.LinearScale(min=0.0, max=1.0), bqplot.LinearScale(min=0.0, max=1.0)
        style = {"font-size": "var(--jp-ui-font-size1, 13px)"}
        common = {"tick_style": style, "grid_lines": "solid", "num_ticks": 5}
        self.steps = bqplot.Axis(scale=self.x, label="step", side="bottom", label_offset="28px", **common)
        self.values = bqplot.Axis(scale=self.y, side="left", **common)
        self.figure = bqplot.Figure(
            axes=[self.steps, self.values],
            fig_margin=MARGIN,
            layout={"width": "100%", "height": f"{height}px", "min_width": "200px"},
            animation_duration=0,
        )
        # bqplot gives a figure two scales of its own from 0 to 1: its whole width and height, whatever the axes show
        self._drawn: dict[object, tuple[float, ...]] = {}

    def lines(self, width: float = 1.5, *, front: bool = True, named: bool = False, **style: Any) -> Any:
        """A new set of lines in this figure; it is empty. `named`: pointing at one tells its label."""
        if named:
            style |= {"tooltip": bqplot.Tooltip(fields=["name"], show_labels=False)}
        mark = bqplot.Lines(
            scales={"x": self.x, "y": self.y},
            stroke_width=width,
            interactions={"hover": "tooltip"} if named else {},
            enable_hover=False,
            **style,
        )
        self.figure.marks = [*self.figure.marks, mark] if front else [mark, *self.figure.marks]
        return mark

    def draw(self, mark: Any, steps: npt.NDArray[np.float64], values: npt.NDArray[np.float64]) -> None:
        """Put points into lines: `values` of shape (points,) or (lines, points), NaN for a gap.

        bqplot hangs an invisible label on each line's last point, and complains in the browser's console if that is
        NaN. So a line that ends in a gap gets one point more behind it, which alone draws nothing.
        """
        if values.size and not np.isfinite(values[..., -1]).all():
            behind = np.full((*values.shape[:-1], 2), self.y.min, values.dtype)
            behind[..., 0] = np.nan
            values = np.concatenate([values, behind], axis=-1)
            steps = np.append(steps, steps[[-1, -1]])
        with mark.hold_sync():
            mark.x, mark.y = steps, values

    def band(self, low: float, high: float) -> Any:
        """A grey band over the whole width: what is normal."""
        mark = self.lines(
            0, front=False, fill="between", fill_colors=[GREY], fill_opacities=[0.14], colors=[GREY], opacities=[0.0]
        )
        mark.scales = {"x": self.figure.scale_x, "y": self.y}
        mark.x, mark.y = np.array([0.0, 1.0]), np.array([[low, low], [high, high]])
        return mark

    def guide(self, level: float) -> Any:
        """A dashed grey line over the whole width."""
        mark = self.lines(1, front=False, colors=[GREY], line_style="dashed")
        mark.scales = {"x": self.figure.scale_x, "y": self.y}
        mark.x, mark.y = np.array([0.0, 1.0]), np.array([level, level])
        return mark

    def frame(self, steps: npt.ArrayLike, values: Iterable[npt.ArrayLike], include: Sequence[float] = ()) -> None:
        """Set both axes so that everything finite, and `include`, is inside."""
        finite = [np.asarray(part, np.float64) for part in values]
        finite = [part[np.isfinite(part)] for part in finite]
        ends = [float(edge) for part in finite if part.size for edge in (part.min(), part.max())]
        low, high = min([*ends, *include], default=0.0), max([*ends, *include], default=1.0)
        room = max(0.05 * (high - low), 0.02 * max(abs(low), abs(high)), 1e-6)
        self._axis(self.y, self.values, low - room, high + room, self.log)
        last = np.asarray(steps, np.float64)
        first, last = (float(last.min()), float(last.max())) if last.size else (0.0, 1.0)
        # from 0 on, unless that would waste room: an end that moves a little is hard to read
        first = 0.0 if 0 <= first < 0.1 * last else first
        self._axis(self.x, self.steps, first, max(last, first + 1.0), False, whole=True)

    def _axis(self, scale: Any, axis: Any, low: float, high: float, log: bool, *, whole: bool = False) -> None:
        if self._drawn.get(axis) == (low, high, log):
            return
        self._drawn[axis] = (low, high, log)
        ticks = log_ticks(low, high) if log else ticks_between(low, high, whole=whole)
        labels = dict(zip([f"{tick:.12g}" for tick in ticks], tick_words(ticks, log, whole), strict=True))
        with scale.hold_sync(), axis.hold_sync():
            scale.min, scale.max = low, high
            if axis.tick_labels != labels:
                axis.tick_values, axis.tick_labels = np.array(ticks), labels
