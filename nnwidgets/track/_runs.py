"""The runs on record, as a list and as a table."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from nnwidgets.records import RunRow, duration, number

from ._listed import listed
from .store._run import Run
from .store._schema import NoStore
from .store._store import Store

# Rows that are printed.
_PRINTED = 30


class Runs:
    """The runs on record in one folder, the newest first; each look reads them anew.

    ``runs[3]`` is run number 3, ``runs["name"]`` the newest of that name. Printed it is a table; in a notebook one that is
    sorted, filtered, tagged and annotated, and in which two runs are compared.

    Args:
        store: where they are.
        present: gives the uid of the run that goes on here, or "".
    """

    def __init__(self, store: Store, present: Callable[[], str] = lambda: "") -> None:
        self.store, self._present = store, present

    @property
    def present(self) -> str:
        """The uid of the run that goes on here; "" if none does."""
        return self._present()

    @property
    def waits(self) -> str:
        """What to say while there is no run."""
        return f"Waits for the first run on record in {self.store.folder}: session.run(100) makes one."

    def rows(self) -> list[RunRow]:
        """What the table shows of each."""
        try:
            return listed(self.store)
        except NoStore:
            return []

    def compare(self, left: int | str, right: int | str) -> Any:
        """What differs between two runs, and what of it made the numbers differ.

        Args:
            left: a run's number, name or uid.
            right: another one's.

        Raises:
            LookupError: one of them is not there.
        """
        from .differences._difference import difference

        return difference(self.store.run(left), self.store.run(right))

    def difference_html(self, left: int, right: int) -> str:
        """The same as HTML."""
        return self.compare(left, right)._repr_html_()

    def retag(self, run: int, tags: Sequence[str]) -> None:
        """Give a run these tags in place of those that it has."""
        found = self.store.run(run)
        for gone in set(found.tags) - set(tags):
            found.untag(gone)
        for new in set(tags) - set(found.tags):
            found.tag(new)

    def annotate(self, run: int, note: str) -> None:
        """Write words about a run, in place of those that were."""
        self.store.run(run).annotate(note)

    def __len__(self) -> int:
        return len(self._all())

    def __iter__(self) -> Iterator[Run]:
        return iter(self._all())

    def __getitem__(self, which: int | str) -> Run:
        return self.store.run(which)

    def _all(self) -> list[Run]:
        try:
            return self.store.runs()
        except NoStore:
            return []

    def __repr__(self) -> str:
        rows = self.rows()
        return table_text(rows) if rows else self.waits

    def _repr_mimebundle_(self, **kwargs: Any) -> dict[str, Any]:
        from nnwidgets.panels import RunsTable

        widget = RunsTable(lambda: self).alone()
        return {**(widget._repr_mimebundle_(**kwargs) or {}), "text/plain": repr(self)}


def runs(folder: Path | str | None = None) -> Runs:
    """The runs on record.

    Args:
        folder: that holds ``runs.db``; None: the one that ``NNWIDGETS_HOME`` names, else ``.nnwidgets`` beside the notebook
            or script.

    Returns:
        what prints as a table, is a list of `Run`, and has ``compare(3, 5)``.

    Example:
        >>> runs("no/such/folder")  # doctest: +ELLIPSIS
        Waits for the first run on record in ...: session.run(100) makes one.
    """
    return Runs(Store(folder))


def table_text(rows: Sequence[RunRow], most: int = _PRINTED) -> str:
    """Rows as a table in plain text, the first so many of them."""
    heads = ("run", "name", "state", "started", "time", "step", "train loss", "valid. loss", "set to", "tags", "note")
    lines = [heads, *(_cells(row) for row in rows[:most])]
    # a column of which no run has anything is left out
    columns = [column for column in zip(*lines, strict=True) if any(column[1:])]
    widths = [max(map(len, column)) for column in columns]
    printed = [
        "  ".join(text.ljust(width) for text, width in zip(line, widths, strict=True)).rstrip()
        for line in zip(*columns, strict=True)
    ]
    return "\n".join(printed + ([f"and {len(rows) - most:,} older"] if len(rows) > most else []))


def _cells(row: RunRow) -> tuple[str, ...]:
    started = time.strftime("%Y-%m-%d %H:%M", time.localtime(row.started))
    losses = ["" if loss is None else number(loss, 4) for loss in (row.train_loss, row.validation_loss)]
    name = f"{row.name} ({row.origin})" if row.origin else row.name
    texts = (name, row.state, started, duration(row.seconds) if row.seconds else "", f"{row.step:,}")
    return (str(row.id), *map(_short, (*texts, *losses, row.differs, ", ".join(row.tags), row.note)))


def _short(text: str) -> str:
    words = " ".join(text.split())
    return words if len(words) <= 40 else f"{words[:39]}\u2026"
