"""The loss over the steps, and every metric beside it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import ipywidgets
import numpy as np

from nnwidgets.records import Finding, History, Series

from ._canvas import CurvesCanvas
from ._curve import log10, outline, smooth
from ._figure import StepFigure, bqplot
from ._narrow import Narrow
from ._panel import Panel
from ._text import escape
from ._theme import GREY, INK, WRONG, at_step, newest_step, number

STROKES = {"train": "solid", "validation": "dashed"}


class LossCurve(Panel):
    """Training and validation loss, and each metric or logged number in a small curve of its own.

    Tells apart: learning from standing still; a validation loss that turns up while the training loss goes on down
    (overfitting) from one that follows; spikes that recover from divergence. The raw training loss stays visible,
    faintly, whatever the smoothing; so do, in grey, the ways that a rewound run left. Red marks on the lower edge are
    steps whose loss was NaN or infinite. Train is solid, validation dashed, both in the colour of the text: a hue is
    always a layer.
    """

    title = "Loss"
    wide = True

    def __init__(self) -> None:
        self._log = ipywidgets.Checkbox(
            description="log scale",
            indent=False,
            tooltip="Powers of ten on the vertical axis",
            layout={"width": "auto"},
        )
        self._window = ipywidgets.SelectionSlider(
            options=[("off", 0), *((f"~{steps:,} steps", steps) for steps in (3, 10, 30, 100, 300, 1000, 3000))],
            value=10,
            description="smoothing",
            continuous_update=False,
            tooltip="The strong line averages over about so many steps; the faint one is never smoothed",
            layout={"width": "23em"},
        )
        for switch in (self._log, self._window):
            switch.observe(lambda change: self.redraw(), "value")
        self._figure = StepFigure(300, log=False)
        self._figure.values.label, self._figure.values.label_offset = "loss", "44px"
        self._branches = self._figure.lines(1.5, colors=[GREY], opacities=[0.8])
        self._fork = {
            name: self._figure.lines(1.5, colors=[INK], line_style=style)
            for name, style in (("unchanged", "dotted"), ("changed", "dash_dotted"))
        }
        self._raw = self._figure.lines(1.0, colors=[INK], opacities=[0.4])
        self._smooth = self._figure.lines(2.0, colors=[INK])
        self._validation = self._figure.lines(2.0, colors=[INK], line_style="dashed", marker="circle", marker_size=20)
        self._bad = bqplot.Scatter(
            scales={"x": self._figure.x, "y": self._figure.figure.scale_y},
            colors=[WRONG],
            marker="triangle-up",
            default_size=50,
            enable_hover=False,
            interactions={},
        )
        self._figure.figure.marks = [*self._figure.figure.marks, self._bad]
        self._numbers = ipywidgets.HTML()
        self._loss = {"train": Narrow(), "validation": Narrow()}
        self._metrics: dict[str, Narrow] = {}
        self._curves = CurvesCanvas(layout={"width": "20em", "flex": "0 0 auto", "display": "none"})
        bar = ipywidgets.HBox([self._numbers, self._window, self._log]).add_class("nnw-bar")
        row = ipywidgets.HBox([self._figure.figure, self._curves])
        self.widget = ipywidgets.VBox([bar, row])

    def update(self, history: History, findings: Sequence[Finding]) -> str | None:
        """Draw the newest loss and metrics."""
        if "train/loss" not in history and "validation/loss" not in history:
            return "Waits for the first loss. Run some steps."
        self._figure.log = bool(self._log.value)
        train, validation = (self._loss[part].look(history, f"{part}/loss") for part in ("train", "validation"))
        self._draw_loss(train, validation, history)
        self._draw_curves(history)
        newest = [(part, history.latest(f"{part}/loss"), stroke) for part, stroke in STROKES.items()]
        now = newest_step(history)
        self._numbers.value = "&ensp;".join(
            f'<span class="nnw-stroke nnw-{stroke}"></span> {part} <b>{number(float(row[1][0]), 4)}</b>{at_step(row[0], now)}'
            for part, row, stroke in newest
            if row is not None
        )
        words = []
        if history.branches:
            steps = ", ".join(f"{each.step:,}" for each in history.branches[-3:])
            words.append(f"grey: before the rewind to step {steps}")
        if history.fork is not None:
            words.append(f"dotted: fork, unchanged; dash-dotted: {escape(history.fork.change)}")
        self._numbers.value += "".join(f'&ensp;<span class="nnw-note">{each}</span>' for each in words)
        return None

    def _draw_loss(self, train: Series | None, validation: Series | None, history: History) -> None:
        scaled = log10 if self._figure.log else np.asarray
        steps: list[np.ndarray] = []
        values: list[np.ndarray] = []
        for mark, x, y in self._other_ways(history):
            steps.append(x)
            values.append(scaled(y))
            self._figure.draw(mark, x, values[-1])
        for series, mark in ((train, self._raw), (validation, self._validation)):
            if series is not None:
                x, y = outline(series)
                steps.append(x)
                values.append(scaled(y))
                self._figure.draw(mark, x, values[-1])
        self._figure.frame(np.concatenate(steps) if steps else [], values)
        if train is not None:
            line = train.values[:, 0]
            if self._window.value:
                line = smooth(train.steps, line, self._window.value)
            self._figure.draw(self._smooth, train.steps.astype(np.float64), scaled(line).astype(np.float64))
            self._mark_bad(train.steps[self._loss["train"].bad[:, 0]])

    def _other_ways(self, history: History) -> Iterator[tuple[Any, np.ndarray, np.ndarray]]:
        """What a rewound run left, in one line with gaps, and the two ways of a fork."""
        if history.branches:
            lines = [outline(each.loss) for each in history.branches]
            x = np.concatenate([np.append(x, x[-1]) for x, _ in lines])
            yield self._branches, x, np.concatenate([np.append(y[0], np.nan) for _, y in lines])
        if history.fork is not None:
            x = history.fork.step + np.arange(history.fork.changed.shape[1], dtype=np.float64)
            for name, mark in self._fork.items():
                y = getattr(history.fork, name).mean(axis=0, dtype=np.float64)
                yield mark, x, smooth(x, y, self._window.value) if self._window.value else y

    def _mark_bad(self, steps: np.ndarray) -> None:
        if len(steps) or len(self._bad.x):
            with self._bad.hold_sync():
                self._bad.x, self._bad.y = steps.astype(np.float64), np.full(len(steps), 0.02)

    def _draw_curves(self, history: History) -> None:
        curves: dict[str, dict[str, Any]] = {}
        for name in history.names():
            part, _, metric = name.partition("/")
            if metric == "loss" or (part not in ("train", "validation", "log") and name != "run/multiplier"):
                continue
            title = metric if part in ("train", "validation") else name.replace("run/", "learning rate ")
            series = self._metrics.setdefault(name, Narrow(100)).look(history, name)
            if series is None or (name == "run/multiplier" and np.all(series.values == 1.0)):
                continue
            x, y = outline(series)
            curves.setdefault(title, {"title": title, "lines": []})["lines"].append(
                {
                    "dashed": part == "validation",
                    "x": x.astype("<f8").tobytes(),
                    "y": y[0].astype("<f4").tobytes(),
                    "newest": number(float(history.tail(name, 1).values[-1, 0]), 4),
                }
            )
        if curves:
            self._curves.layout.display = None
            self._curves.data = {"curves": list(curves.values())}
