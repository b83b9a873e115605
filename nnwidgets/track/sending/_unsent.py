"""The numbers of a run that a tracking system does not have yet."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Mapping

import numpy as np

# Rows in a chunk of the store; a chunk with fewer costs nothing but another look.
_CHUNK = 256
_SINGLE = json.dumps([""])


def newest(connection: sqlite3.Connection, run: int) -> int:
    """The last step at which a number of the whole network was read; -1 if none was."""
    query = (
        "SELECT max(last) FROM chunks JOIN series ON series.id = chunks.series "
        "WHERE run = ? AND layers = ? AND what != 'data'"
    )
    found = connection.execute(query, (run, _SINGLE)).fetchone()[0]
    return -1 if found is None else found


def unsent(
    connection: sqlite3.Connection, run: int, sent: Mapping[str, int], upto: int, most: int
) -> list[tuple[int, str, float]]:
    """The earliest numbers of the whole network that are not sent yet. The batches' hashes are no numbers.

    Args:
        connection: to the store.
        run: its number; its own steps only, since those of its parent are the parent's.
        sent: the last step sent of each reading.
        upto: the last step wanted.
        most: so many at most.

    Returns:
        step, reading and value of each, by step.
    """
    found: list[tuple[int, str, float]] = []
    query = "SELECT id, what, readings, dtype FROM series WHERE run = ? AND layers = ? AND what != 'data'"
    for series, what, readings, dtype in connection.execute(query, (run, _SINGLE)).fetchall():
        names = [f"{what}/{reading}" for reading in json.loads(readings)]
        after = min(sent.get(name, -1) for name in names)
        steps, values = _rows(connection, series, len(names), dtype, after, most)
        for i, name in enumerate(names):
            wanted = (steps > sent.get(name, -1)) & (steps <= upto)
            # a step that was read twice counts as it was read last
            rows = dict(zip(steps[wanted].tolist(), values[wanted, i].tolist(), strict=True))
            found += [(step, name, float(value)) for step, value in rows.items()]
    return sorted(found, key=lambda row: row[:2])[:most]


def _rows(
    connection: sqlite3.Connection, series: int, width: int, dtype: str, after: int, most: int
) -> tuple[np.ndarray, np.ndarray]:
    query = "SELECT steps, rows FROM chunks WHERE series = ? AND last > ? ORDER BY id LIMIT ?"
    chunks = connection.execute(query, (series, after, most // _CHUNK + 2)).fetchall()
    steps = np.frombuffer(b"".join(each for each, _ in chunks), np.int64)
    return steps, np.frombuffer(b"".join(each for _, each in chunks), dtype).reshape(len(steps), width)
