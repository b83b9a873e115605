"""The runs on record, as a table."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from typing import Any, Protocol

import anywidget
import ipywidgets
import traitlets

from nnwidgets.records import Finding, History, RunRow

from . import _comms
from ._panel import Panel
from ._scripts import text_of
from ._text import literal
from ._theme import duration, number, waiting

_MISSING = "Waits for runs on record: an nnw.Session keeps them, unless it has track=False or NNWIDGETS_TRACK is off."


class OnRecord(Protocol):
    """Whoever keeps the runs."""

    @property
    def present(self) -> str:
        """The uid of the run that goes on here; "" if none does."""
        ...

    @property
    def waits(self) -> str:
        """What to say while there is no run."""
        ...

    def rows(self) -> Sequence[RunRow]:
        """All runs, the newest first."""
        ...

    def difference_html(self, left: int, right: int) -> str:
        """How two runs differ, as HTML that is safe to show."""
        ...

    def retag(self, run: int, tags: Sequence[str]) -> None:
        """Give a run these tags in place of those that it has."""
        ...

    def annotate(self, run: int, note: str) -> None:
        """Write words about a run, in place of those that were."""
        ...


class RunsTable(Panel):
    """The runs on record beside this one: a click on a column's head sorts them, two that are chosen are compared.

    A run's tags and note are written into the table. It is read anew on Refresh and when a run ends, and costs nothing in
    between. Tells apart: a run that ended as it should from one that failed, met a NaN or was killed (red); and two runs
    that should be the same from two that are not, with what differs.

    Attributes:
        runs: gives whoever keeps them, None where nobody does; the dashboard hands it over.
    """

    title = "Runs"
    wide = True

    def __init__(self, runs: Callable[[], OnRecord | None] = lambda: None) -> None:
        self.runs = runs
        self.grid = RunsGrid()
        self.grid.on_msg(lambda widget, content, buffers: self.heard(content))
        self._waits = ipywidgets.HTML()
        self.widget = ipywidgets.VBox([self._waits, self.grid])

    def update(self, history: History, findings: Sequence[Finding]) -> str | None:
        """Nothing is read here: the browser asks for the rows when the table comes on the screen."""
        missing = self.runs() is None
        self._waits.value = waiting(_MISSING) if missing else ""
        self._waits.layout.display = None if missing else "none"
        self.grid.layout.display = "none" if missing else None
        return None

    def recorded(self) -> None:
        """What is on record has changed: a browser that shows the table asks for it."""
        self.grid.news += 1

    def load(self) -> None:
        """Read the rows, and hand them to the browser."""
        runs = self.runs()
        if runs is None:
            return
        present = runs.present
        rows = [_plain(row, row.uid == present) for row in runs.rows()]
        self.grid.data = {"rows": rows, "waits": "" if rows else runs.waits, "read": time.time()}

    def heard(self, content: Any) -> None:
        """Do what the browser asks for; what fails is shown there."""
        runs = self.runs()
        if not isinstance(content, dict) or runs is None:
            return
        try:
            self._do(content, runs)
        except Exception as error:
            self.grid.answer = {"error": f"{error}" or type(error).__name__, "at": time.time()}

    def _do(self, content: dict[str, Any], runs: OnRecord) -> None:
        kind = content.get("kind")
        if kind == "compare":
            left, right = sorted(map(int, content["runs"]))
            html = literal(runs.difference_html(left, right))
            self.grid.answer = {"left": left, "right": right, "html": html, "at": time.time()}
            return
        if kind == "tags":
            words = [word.strip() for word in str(content["tags"]).split(",")]
            runs.retag(int(content["run"]), [word for word in words if word])
        elif kind == "note":
            runs.annotate(int(content["run"]), str(content["note"]))
        elif kind != "list":
            return
        self.load()

    def alone(self) -> ipywidgets.Widget:
        """The table as a widget that needs no dashboard round it."""
        self.load()
        box = ipywidgets.VBox([Style(), self.grid]).add_class("nnw")
        _comms.reach_busy_kernel(_comms.all_widgets(box))
        return box


class Style(anywidget.AnyWidget):
    """What a dashboard has from its echo."""

    _esm = "export default { render() {} }"
    _css = text_of("dashboard.css")


class RunsGrid(anywidget.AnyWidget):
    """The table in the browser; see runs.js for what comes back.

    Attributes:
        data: the rows.
        answer: the difference of two runs, or what went wrong.
        news: counts how often what is on record has changed.
    """

    _esm = text_of("runs.js")
    data = traitlets.Dict().tag(sync=True)
    answer = traitlets.Dict().tag(sync=True)
    news = traitlets.Int(0).tag(sync=True)


def _plain(row: RunRow, present: bool) -> dict[str, Any]:
    return {
        "id": row.id,
        "name": literal(row.name),
        "present": present,
        "origin": literal(row.origin),
        "state": row.state,
        "message": literal(row.message),
        "started": row.started,
        "seconds": _cell(row.seconds, duration(row.seconds) if row.seconds else "\u2013"),
        "step": _cell(row.step, f"{row.step:,}"),
        "speed": _cell(row.steps_per_second, _speed(row.steps_per_second)),
        "train": _loss(row.train_loss),
        "validation": _loss(row.validation_loss),
        "differs": literal(row.differs),
        "tags": ", ".join(row.tags),
        "note": row.note,
    }


def _cell(value: float, text: str) -> dict[str, Any]:
    """What sorts, and what is read; JSON has no NaN."""
    return {"value": value if math.isfinite(value) else None, "text": text}


def _loss(value: float | None) -> dict[str, Any]:
    return _cell(math.nan, "\u2013") if value is None else _cell(value, number(value, 4))


def _speed(steps_per_second: float) -> str:
    return number(steps_per_second) if steps_per_second else "\u2013"
