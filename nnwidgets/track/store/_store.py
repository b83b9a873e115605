"""The runs on record."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ._home import home
from ._run import COLUMNS, Run
from ._schema import connect

FILE = "runs.db"


class Store:
    """The runs on record in one folder; reading it disturbs nobody who writes.

    Args:
        folder: that holds ``runs.db``; None: the one that ``NNWIDGETS_HOME`` names, else ``.nnwidgets`` beside the script
            or in the working folder.

    Raises:
        StoreError: when asked for runs, if there is no store there, or none that can be read.
    """

    def __init__(self, folder: Path | str | None = None) -> None:
        self.folder = home() if folder is None else Path(folder).expanduser().absolute()
        self.path = self.folder / FILE

    @contextmanager
    def connect(self) -> Iterator[sqlite3.Connection]:
        """A connection, in autocommit mode; begin a transaction with BEGIN IMMEDIATE to write more than one thing."""
        connection = connect(self.path)
        try:
            yield connection
        finally:
            connection.close()

    def runs(self) -> list[Run]:
        """All of them, the newest first."""
        return self._read("", ())

    def _read(self, where: str, values: tuple[Any, ...]) -> list[Run]:
        with self.connect() as connection:
            query = f"SELECT {', '.join(COLUMNS)} FROM runs {where} ORDER BY id DESC"
            rows = connection.execute(query, values).fetchall()
            tags: dict[int, list[str]] = {}
            only = f"WHERE run = {rows[0][0]}" if len(rows) == 1 else ""
            for run, tag in connection.execute(f"SELECT run, tag FROM tags {only} ORDER BY tag"):
                tags.setdefault(run, []).append(tag)
        return [Run(self, dict(zip(COLUMNS, row, strict=True)), tuple(tags.get(row[0], ()))) for row in rows]

    def run(self, which: int | str = "last") -> Run:
        """One of them.

        Args:
            which: its number; or the first letters of its uid; or its name, the newest of that name; or "last".

        Raises:
            LookupError: there is none.
        """
        if isinstance(which, int) and (found := self._read("WHERE id = ?", (which,))):
            return found[0]
        runs = self.runs()
        word = str(which)
        for found in (
            runs if word == "last" else [],
            [run for run in runs if str(run.id) == word],
            [run for run in runs if run.name == word],
            [run for run in runs if len(word) > 3 and run.uid.startswith(word)],
        ):
            if found:
                return found[0]
        there = ", ".join(f"{run.id} ({run.name})" for run in runs[:5])
        raise LookupError(
            f"no run {word!r} in {self.path}: there are {len(runs)}{f', the newest {there}' if runs else ''}."
        )

    def branch_of(self, run: Run) -> Run | None:
        """The newest run that branched off this one; None if none did."""
        found = self._read("WHERE parent = ?", (run.uid,))
        return found[0] if found else None

    def __repr__(self) -> str:
        return f"Store({str(self.folder)!r})"
