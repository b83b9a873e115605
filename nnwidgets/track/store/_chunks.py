"""Rows of numbers in the store: a few bytes a number, NaN and infinity as they are."""

from __future__ import annotations

import json
import sqlite3
from dataclasses import dataclass, field
from typing import Any

import numpy as np

# Rows that one chunk grows to; until then it is written anew with every commit.
_FULL = 256


@dataclass(frozen=True)
class Key:
    """One series of one run: readings that always come together, of the same layers."""

    uid: str
    what: str
    readings: tuple[str, ...]
    layers: tuple[str, ...]
    dtype: str


@dataclass
class _Open:
    """A chunk that is not full yet."""

    series: int
    id: int | None = None
    steps: bytes = b""
    rows: bytes = b""
    last: int = -1


@dataclass
class Rows:
    """Writes rows within somebody's transaction; what it believes to stand in the file changes only with `commit`."""

    _kept: dict[Key, _Open] = field(default_factory=dict)
    _changed: dict[Key, _Open] = field(default_factory=dict)

    def write(self, connection: sqlite3.Connection, run: int, key: Key, rows: list[tuple[int, bytes]]) -> None:
        """Append rows, ascending by step, to the newest chunk or to new ones.

        Args:
            connection: within a transaction.
            run: the run's number.
            key: which series; made if it is not there.
            rows: step and bytes of each.
        """
        chunk = self._changed.get(key) or self._kept.get(key) or _Open(_series(connection, run, key))
        for start in range(0, len(rows), _FULL):
            part = rows[start : start + _FULL]
            if len(chunk.steps) >= 8 * _FULL:
                chunk = _Open(chunk.series)
            steps = chunk.steps + np.array([step for step, _ in part], np.int64).tobytes()
            chunk = _Open(chunk.series, chunk.id, steps, chunk.rows + b"".join(row for _, row in part), part[-1][0])
            chunk.id = _put(connection, chunk)
        self._changed[key] = chunk

    def commit(self) -> None:
        """The transaction has ended well."""
        self._kept |= self._changed
        self._changed = {}

    def roll_back(self) -> None:
        """It has not."""
        self._changed = {}

    def covered(self, connection: sqlite3.Connection, run: int, last: dict[Key, int]) -> None:
        """A saved history holds what is not later than `last`: such chunks go, those of single numbers excepted."""
        for key, step in last.items():
            if key.layers != ("",):
                series = _series(connection, run, key)
                connection.execute("DELETE FROM chunks WHERE series = ? AND last <= ?", (series, step))
                # the newest may be among them: the next row begins a new one
                self._changed[key] = _Open(series)

    def forget(self, uid: str) -> None:
        """Nothing more comes of this run for now."""
        self._kept = {key: chunk for key, chunk in self._kept.items() if key.uid != uid}


def _series(connection: sqlite3.Connection, run: int, key: Key) -> int:
    values = (run, key.what, json.dumps(key.readings), json.dumps(key.layers), key.dtype)
    connection.execute(
        "INSERT OR IGNORE INTO series (run, what, readings, layers, dtype) VALUES (?, ?, ?, ?, ?)", values
    )
    found = connection.execute(
        "SELECT id FROM series WHERE run = ? AND what = ? AND readings = ?", values[:3]
    ).fetchone()
    return found[0]


def _put(connection: sqlite3.Connection, chunk: _Open) -> int:
    if chunk.id is not None:
        values: tuple[Any, ...] = (chunk.last, chunk.steps, chunk.rows, chunk.id)
        connection.execute("UPDATE chunks SET last = ?, steps = ?, rows = ? WHERE id = ?", values)
        return chunk.id
    values = (chunk.series, chunk.last, chunk.steps, chunk.rows)
    made = connection.execute("INSERT INTO chunks (series, last, steps, rows) VALUES (?, ?, ?, ?)", values).lastrowid
    assert made is not None
    return made
