"""The rows that `_chunks` writes, read again."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable

import numpy as np


class Table:
    """Readings that come together: steps (n,), values (n, readings, layers)."""

    def __init__(self, what: str, readings: str, layers: str, dtype: str, chunks: list[tuple[bytes, bytes]]) -> None:
        self.what, self.readings, self.layers = what, tuple(json.loads(readings)), tuple(json.loads(layers))
        steps = np.frombuffer(b"".join(each for each, _ in chunks), np.int64)
        values = np.frombuffer(b"".join(each for _, each in chunks), dtype)
        values = values.reshape(len(steps), len(self.readings), len(self.layers))
        # a step that was read twice counts as it was read last
        _, place = np.unique(steps[::-1], return_index=True)
        order = len(steps) - 1 - place
        self.steps, self.values = steps[order], values[order]


def tables(
    connection: sqlite3.Connection,
    run: int,
    what: str | None = None,
    known: Callable[[str, tuple[str, ...]], int] = lambda what, readings: -1,
) -> list[Table]:
    """What is kept of a run's series.

    Args:
        connection: to the store.
        run: its number.
        what: the first half of the readings' names; None: all.
        known: gives the newest step of a series that need not be read again; chunks that end there or before are left out.
    """
    query = "SELECT id, what, readings, layers, dtype FROM series WHERE run = ? AND what = coalesce(?, what)"
    return [
        Table(name, readings, layers, dtype, _chunks(connection, series, known(name, tuple(json.loads(readings)))))
        for series, name, readings, layers, dtype in connection.execute(query, (run, what)).fetchall()
    ]


def _chunks(connection: sqlite3.Connection, series: int, known: int) -> list[tuple[bytes, bytes]]:
    """From the newest back, so that what is known already is not read again."""
    query, found = "SELECT last, steps, rows FROM chunks WHERE series = ? ORDER BY id DESC", []
    for last, steps, rows in connection.execute(query, (series,)):
        if last <= known:
            break
        found.append((steps, rows))
    return found[::-1]
