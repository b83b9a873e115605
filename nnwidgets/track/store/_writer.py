"""Writes runs into the store, in a thread of its own, ten times a second."""

from __future__ import annotations

import atexit
import contextlib
import os
import sqlite3
import threading
import time
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import Any

from . import _texts
from ._chunks import Key, Rows
from ._schema import StoreError, connect

# A change of the store, done within a transaction.
Change = Callable[[sqlite3.Connection], None]

# Seconds between two transactions while a run lives, and while none does; between two signs of life.
_EVERY, _IDLE, _HEARTBEAT = 0.1, 0.5, 0.5
# Seconds between two tries where the disk does not do its part: the first wait, and the longest.
_FIRST_WAIT, _LONGEST_WAIT = 0.2, 5.0
# Bytes that may wait for such a disk; what reads layers goes first.
_MOST_WAITING = 64_000_000
# Seconds that the end of the process waits for what is unwritten.
_LAST_CALL = 5.0


class Writer:
    """The one writer of a store in this process: what it is given is written soon, in the order it came.

    Nothing here raises or waits for the disk. Where the disk is full or cannot be written, what is unwritten is kept and
    tried again, and `trouble` says so.

    Args:
        path: of the store.

    Attributes:
        trouble: why nothing can be written now, or "".
        lost: rows that were given up, since too many were waiting.
        dropped: what could not be written on any disk, and why.
    """

    def __init__(self, path: Path) -> None:
        self.path, self.trouble, self.lost = path, "", 0
        self.dropped: deque[str] = deque(maxlen=20)
        # which file it was that runs were begun in
        self._file: tuple[int, int] | None = None
        # deques: other threads append while this one's thread takes away
        self._changes: deque[Change] = deque()
        self._rows: deque[tuple[Key, int, bytes]] = deque()
        # drawn from the two above, and not yet written
        self._waiting: tuple[list[Change], list[tuple[Key, int, bytes]]] = ([], [])
        self._numbers: dict[str, int] = {}
        self._pulses: dict[str, Callable[[], dict[str, Any]]] = {}
        self._chunks = Rows()
        self._connection: sqlite3.Connection | None = None
        self._wake, self._done = threading.Event(), threading.Condition()
        self._asked = self._answered = 0
        self._pid = os.getpid()
        self._over = False
        self._thread = threading.Thread(target=self._work, name="nnwidgets store", daemon=True)
        self._thread.start()

    def begin(self, uid: str, row: dict[str, Any], pulse: Callable[[], dict[str, Any]]) -> None:
        """A new run; `pulse` gives columns that change while it lives, and is asked twice a second."""
        columns, row = ", ".join(row), {name: _storable(value) for name, value in row.items()}
        marks = ", ".join("?" * len(row))

        def insert(connection: sqlite3.Connection) -> None:
            made = connection.execute(f"INSERT INTO runs ({columns}) VALUES ({marks})", tuple(row.values()))
            assert made.lastrowid is not None
            self._numbers[uid] = made.lastrowid

        self._changes.append(insert)
        self._pulses[uid] = pulse
        self._wake.set()

    def resume(self, uid: str, pulse: Callable[[], dict[str, Any]]) -> None:
        """A run that stood still goes on."""
        self._pulses[uid] = pulse
        self._wake.set()

    def rest(self, uid: str) -> None:
        """A run stands still."""
        self._pulses.pop(uid, None)
        self.change(lambda connection: self._chunks.forget(uid))

    def add(self, key: Key, step: int, row: bytes) -> None:
        """One row of a series; quick."""
        self._rows.append((key, step, row))

    def set(self, uid: str, **columns: Any) -> None:
        """Change columns of a run's row."""
        self._set(uid, "", columns)

    def _set(self, uid: str, condition: str, columns: dict[str, Any]) -> None:
        marks, values = ", ".join(f"{name} = ?" for name in columns), [_storable(value) for value in columns.values()]
        query = f"UPDATE runs SET {marks} WHERE id = ?{condition}"
        self.change(lambda connection: connection.execute(query, (*values, self._numbers[uid])))

    def state(self, uid: str, section: str, content: Any) -> None:
        """Put down a section of a run's facts."""
        self.change(
            lambda connection: connection.execute(
                "INSERT OR REPLACE INTO facts VALUES (?, ?, ?)",
                (self._numbers[uid], section, _texts.write(connection, content)),
            )
        )

    def covered(self, uid: str, last: dict[Key, int]) -> None:
        """A saved history holds what is not later than `last`."""
        self.change(lambda connection: self._chunks.covered(connection, self._numbers[uid], last))

    def change(self, change: Change) -> None:
        """Do this in its turn."""
        self._changes.append(change)

    def number(self, uid: str) -> int | None:
        """The number under which users know a run; None until it is written."""
        return self._numbers.get(uid)

    def flush(self, seconds: float = 2.0, *, patient: bool = False) -> bool:
        """Wait until all that was given so far is written; False if that takes longer.

        Args:
            seconds: to wait at most.
            patient: also while the disk does not do its part, which nobody should wait for at every call.
        """
        with self._done:
            self._asked += 1
            mine = self._asked
            self._wake.set()
            hopeless = lambda: self._over or (bool(self.trouble) and not patient)  # noqa: E731
            self._done.wait_for(lambda: self._answered >= mine or hopeless(), seconds)
            return self._answered >= mine

    @property
    def waiting(self) -> int:
        """Rows and changes that are unwritten."""
        return len(self._rows) + len(self._changes) + sum(map(len, self._waiting))

    def close(self, seconds: float) -> None:
        """Write what waits, and leave one tidy file."""
        if self.waiting:
            self.flush(seconds, patient=True)
        self._over = True
        self._wake.set()
        self._thread.join(1.0)

    def _work(self) -> None:
        wait, beat = _FIRST_WAIT, 0.0
        while not self._over:
            self._wake.wait(_EVERY if self._pulses or self.waiting else _IDLE)
            self._wake.clear()
            asked = self._asked
            if time.monotonic() - beat > _HEARTBEAT and not self.trouble:
                beat = time.monotonic()
                self._beat()
            try:
                self._write()
            except Exception as error:
                # not only of SQLite: the thread must not end while somebody counts on it
                self._failed(error)
                self._wake.wait(wait)
                wait = min(2 * wait, _LONGEST_WAIT)
                continue
            self.trouble, wait = "", _FIRST_WAIT
            with self._done:
                self._answered = asked
                self._done.notify_all()
        # whoever closes last tidies up
        self._close()

    def _beat(self) -> None:
        for uid, pulse in self._pulses.copy().items():
            with contextlib.suppress(Exception):
                # the run may have ended since it was asked
                self._set(uid, " AND ended IS NULL", {"heartbeat": time.time(), **pulse()})

    def _failed(self, error: Exception) -> None:
        with self._done:
            self.trouble = _told(error, self.path)
            # what stood in a file that is gone cannot be continued in another one
            self._over = self._over or isinstance(error, _Gone)
            self._numbers = {} if self._over else self._numbers
            self._thin()
            self._done.notify_all()

    def _write(self) -> None:
        """One transaction for all that waits."""
        changes, rows = self._waiting
        # a row may be of a run that a change begins: the rows are drawn first
        rows.extend(_drawn(self._rows))
        changes.extend(_drawn(self._changes))
        if not changes and not rows:
            return
        if self._connection is None:
            self._connection = connect(self.path, create=True)
            known = self._file
            self._file = _identity(self.path)
            if known not in (None, self._file):
                raise _Gone(self.path)
        elif _identity(self.path) != self._file:
            raise _Gone(self.path)
        connection, known = self._connection, dict(self._numbers)
        try:
            connection.execute("BEGIN IMMEDIATE")
            for change in changes:
                self._apply(lambda change=change: change(connection))
            for key, part in _by_series(rows).items():
                self._apply(
                    lambda key=key, part=part: self._chunks.write(connection, self._numbers[key.uid], key, part)
                )
            connection.execute("COMMIT")
        except BaseException:
            self._numbers = known
            self._chunks.roll_back()
            if connection.in_transaction:
                with contextlib.suppress(sqlite3.Error):
                    connection.execute("ROLLBACK")
            self._close()
            raise
        self._chunks.commit()
        self._waiting = [], []

    def _apply(self, change: Callable[[], None]) -> None:
        """What the disk refuses is tried again with all the rest; what cannot be written at all must not hold it up."""
        try:
            change()
        except Exception as error:
            if isinstance(error, OSError) or type(error) in (sqlite3.OperationalError, sqlite3.DatabaseError):
                raise
            self.dropped.append(f"{type(error).__name__}: {error}")

    def _close(self) -> None:
        """The next try opens the file anew: it may have gone, or come back."""
        if self._connection is not None:
            with contextlib.suppress(sqlite3.Error):
                self._connection.close()
            self._connection = None

    def _thin(self) -> None:
        changes, rows = self._waiting
        if sum(len(row) + 64 for _, _, row in rows) > _MOST_WAITING:
            single = [each for each in rows if each[0].layers == ("",)]
            kept = single if len(single) < len(rows) else rows[len(rows) // 2 :]
            self.lost += len(rows) - len(kept)
            self._waiting = changes, kept


class _Gone(StoreError):
    """The file that was written into is not there any more, or another one lies in its place."""

    def __init__(self, path: Path) -> None:
        super().__init__(f"{path} was taken away while runs were written into it: they are lost from here on.")


def _identity(path: Path) -> tuple[int, int] | None:
    try:
        found = path.stat()
    except FileNotFoundError:
        return None
    return found.st_dev, found.st_ino


def _storable(value: Any) -> Any:
    """SQLite takes no half of a surrogate pair, which stands in the name of a file that is not UTF-8."""
    return value.encode("utf-8", "replace").decode() if isinstance(value, str) else value


def _drawn(waiting: deque[Any]) -> list[Any]:
    return [waiting.popleft() for _ in range(len(waiting))]


def _by_series(rows: list[tuple[Key, int, bytes]]) -> dict[Key, list[tuple[int, bytes]]]:
    found: dict[Key, list[tuple[int, bytes]]] = {}
    for key, step, row in rows:
        found.setdefault(key, []).append((step, row))
    return found


def _told(error: Exception, path: Path) -> str:
    if isinstance(error, StoreError):
        return str(error)
    return f"the run is not being recorded in {path}: {error}. It goes on, and what is unwritten is tried again."


_writers: dict[Path, Writer] = {}
_lock = threading.Lock()


def writer(path: Path) -> Writer:
    """The writer of a store; one a process, even after a fork."""
    with _lock:
        found = _writers.get(path)
        if found is None or found._over or found._pid != os.getpid():
            found = _writers[path] = Writer(path)
        return found


@atexit.register
def _last_call() -> None:
    for each in list(_writers.values()):
        if each._pid == os.getpid():
            each.close(_LAST_CALL)
