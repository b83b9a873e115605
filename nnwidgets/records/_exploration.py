"""What an experiment about a parameter found."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from ._finding import plain
from ._frames import plain_frame
from ._words import duration

Numbers = npt.NDArray[np.float64]
# Rows of a table that are written out as text.
SHOWN = 24


@dataclass(frozen=True, eq=False)
class Line:
    """One curve, or a set of dots.

    Attributes:
        name: what it shows.
        x: (points,).
        y: (points,); NaN is a gap.
        low: lower end of a band round it (points,), or None.
        high: upper end.
        dots: whether the points stand alone.
    """

    name: str
    x: Numbers
    y: Numbers
    low: Numbers | None = None
    high: Numbers | None = None
    dots: bool = False

    def __post_init__(self) -> None:
        for name in ("x", "y", "low", "high"):
            value = getattr(self, name)
            if value is not None:
                object.__setattr__(self, name, np.asarray(value, np.float64).reshape(-1))
        sizes = {len(value) for value in (self.x, self.y, self.low, self.high) if value is not None}
        if len(sizes) != 1:
            raise ValueError(f"the line {self.name!r} needs x, y, low and high of one length, got {sorted(sizes)}.")


@dataclass(frozen=True)
class Guide:
    """A straight line with words: where the run is, or what is normal.

    Attributes:
        at: its place.
        words: what it means.
        axis: "x": a vertical line at this x; "y": a horizontal one.
    """

    at: float
    words: str
    axis: str = "x"


@dataclass(frozen=True, eq=False)
class Plot:
    """A picture with curves.

    Attributes:
        title: what it shows.
        x: what lies along the horizontal axis, with its unit.
        y: along the vertical one.
        lines: the curves.
        guides: straight lines with words.
        log_x: whether x is logarithmic.
        log_y: whether y is.
        x_names: where x is no number: what stands at 1, 2, ...
    """

    title: str
    x: str
    y: str
    lines: tuple[Line, ...]
    guides: tuple[Guide, ...] = ()
    log_x: bool = False
    log_y: bool = False
    x_names: tuple[str, ...] = ()


@dataclass(frozen=True, eq=False)
class Grid:
    """A heatmap.

    Attributes:
        title: what it shows.
        x: what lies along the horizontal axis, with its unit.
        y: along the vertical one.
        value: what the colour tells.
        xs: (columns,).
        ys: (rows,).
        values: (rows, columns); not finite is drawn apart.
        log_x: whether x is logarithmic.
        log_y: whether y is.
        log: whether the colour is.
        path: points (x, y) joined by a line over it (points, 2), or None.
        labels: a short word for each cell (rows, columns), or None.
    """

    title: str
    x: str
    y: str
    value: str
    xs: Numbers
    ys: Numbers
    values: Numbers
    log_x: bool = False
    log_y: bool = False
    log: bool = False
    path: Numbers | None = None
    labels: Sequence[Sequence[str]] | None = None

    def __post_init__(self) -> None:
        for name in ("xs", "ys", "values", "path"):
            value = getattr(self, name)
            if value is not None:
                object.__setattr__(self, name, np.asarray(value, np.float64))
        if self.values.shape != (len(self.ys), len(self.xs)):
            raise ValueError(
                f"the heatmap {self.title!r} needs values of shape {(len(self.ys), len(self.xs))}, got {self.values.shape}."
            )


@dataclass(frozen=True)
class Cost:
    """What an experiment will cost, told before it starts.

    Attributes:
        steps: gradients of one batch, about.
        programs: to be compiled.
        seconds: that all of it takes, about; 0.0 where nobody knows yet how long a step takes.
    """

    steps: int = 0
    programs: int = 1
    seconds: float = 0.0

    def __str__(self) -> str:
        programs = f"{self.programs} program{'s' if self.programs != 1 else ''} to compile"
        about = f", about {duration(self.seconds)}" if self.seconds else ""
        return f"{self.steps:,} steps, {programs}{about}"


@dataclass(frozen=True)
class ExperimentInfo:
    """An experiment that can be run.

    Attributes:
        name: as in `Exploration.name`.
        about: the question that it answers.
        cost: what it will cost.
    """

    name: str
    about: str
    cost: Cost


@dataclass(frozen=True, eq=False)
class Exploration:
    """What an experiment about a parameter found.

    Attributes:
        name: of the experiment.
        answer: what was measured, and what to do with it.
        verdict: "ok"; "suspicious", where a change is worth it; "wrong", where a fault is shown; "unknown", where it can't
            be measured on this model.
        columns: of the table.
        rows: of the table: words and numbers.
        pictures: in the order in which they are to be looked at.
        numbers: what was measured, by name; 95 % intervals as ``"<name>_low"`` and ``"<name>_high"``.
        caution: what it does not say, or where the field has no settled answer.
        complete: False where it was stopped, or ran out of time, and tells what it has.
        cost: as it was told before it began.
        step: updates that the run had made.
        seconds: that it took.
        at: when it ended, in seconds since 1970.

    Example:
        >>> found = Exploration("clipping", "No step is clipped.", columns=("bound", "share"), rows=((1.0, 0.0),))
        >>> found
        clipping: No step is clipped.
          bound  share
              1      0
    """

    name: str
    answer: str
    verdict: str = "ok"
    columns: tuple[str, ...] = ()
    rows: tuple[tuple[Any, ...], ...] = ()
    pictures: tuple[Plot | Grid, ...] = ()
    numbers: dict[str, Any] = field(default_factory=dict[str, Any])
    caution: str = ""
    complete: bool = True
    cost: Cost = Cost()
    step: int = 0
    seconds: float = 0.0
    at: float = 0.0

    def __getitem__(self, name: str) -> Any:
        if name not in self.numbers:
            known = ", ".join(self.numbers) or "none"
            raise KeyError(f"{self.name} measured no {name!r}; it measured {known}")
        return self.numbers[name]

    def to_pandas(self) -> Any:
        """The table as a DataFrame.

        Raises:
            ImportError: pandas is missing.
        """
        return plain_frame(self.columns, self.rows)

    def to_dict(self) -> dict[str, Any]:
        """As JSON-ready values, without the pictures; non-finite numbers are the strings "nan", "inf", "-inf"."""
        names = ("name", "answer", "verdict", "columns", "rows", "numbers", "caution", "complete")
        about = {name: getattr(self, name) for name in (*names, "step", "seconds", "at")}
        return plain(about)

    def to_json(self) -> str:
        """One JSON object."""
        return json.dumps(self.to_dict(), allow_nan=False)

    def _repr_html_(self) -> str:
        from ._draw import exploration_html

        return exploration_html(self)

    def __repr__(self) -> str:
        cut = "" if self.complete else "(stopped early) "
        told = [f"{self.name}: {cut}{self.answer}"]
        if self.columns:
            cells = [list(self.columns), *([cell_words(cell) for cell in row] for row in self.rows[:SHOWN])]
            widths = [max(len(row[i]) for row in cells) for i in range(len(self.columns))]
            told += [
                "  " + "  ".join(cell.rjust(width) for cell, width in zip(row, widths, strict=True)) for row in cells
            ]
        if len(self.rows) > SHOWN:
            told.append(f"  and {len(self.rows) - SHOWN} more rows: to_pandas()")
        if self.caution:
            told.append(f"Caution: {self.caution}")
        return "\n".join(told)


def cell_words(cell: Any) -> str:
    """A cell of a table as text.

    Example:
        >>> cell_words(0.000123456), cell_words(12), cell_words(None), cell_words("Adam")
        ('0.000123', '12', '', 'Adam')
    """
    if cell is None:
        return ""
    return f"{cell:.3g}" if isinstance(cell, (float, np.floating)) else str(cell)
