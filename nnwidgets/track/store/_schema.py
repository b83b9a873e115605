"""The store's tables, and how its file is opened."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import psutil

VERSION = 1
# "nnw1" in the file's header: an SQLite file of somebody else is told from ours.
APPLICATION = 0x6E6E7731
# Seconds to wait for another process that is writing.
PATIENCE = 5.0
# File systems of folders that lie on another machine, as their names begin.
_NETWORK = (
    "nfs",
    "cifs",
    "smb",
    "9p",
    "afs",
    "fuse.sshfs",
    "fuse.s3fs",
    "fuse.gcsfuse",
    "lustre",
    "beegfs",
    "ceph",
    "glusterfs",
)

_TABLES = """
CREATE TABLE runs (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    uid TEXT NOT NULL UNIQUE,
    name TEXT NOT NULL,
    created REAL NOT NULL,
    ended REAL,
    heartbeat REAL NOT NULL,
    state TEXT NOT NULL,
    step INTEGER NOT NULL DEFAULT 0,
    message TEXT NOT NULL DEFAULT '',
    seconds REAL NOT NULL DEFAULT 0,
    error TEXT NOT NULL DEFAULT '',
    parent TEXT,
    branched_at INTEGER,
    rerun_of TEXT,
    host TEXT NOT NULL,
    pid INTEGER NOT NULL,
    process_started REAL NOT NULL,
    note TEXT NOT NULL DEFAULT '',
    status TEXT NOT NULL DEFAULT '{}',
    findings TEXT NOT NULL DEFAULT '[]',
    notices TEXT NOT NULL DEFAULT '[]'
);
CREATE TABLE tags (run INTEGER NOT NULL, tag TEXT NOT NULL, PRIMARY KEY (run, tag)) WITHOUT ROWID;
CREATE TABLE facts (
    run INTEGER NOT NULL, section TEXT NOT NULL, content TEXT NOT NULL, PRIMARY KEY (run, section)
) WITHOUT ROWID;
CREATE TABLE texts (hash TEXT PRIMARY KEY, content BLOB NOT NULL) WITHOUT ROWID;
CREATE TABLE series (
    id INTEGER PRIMARY KEY,
    run INTEGER NOT NULL,
    what TEXT NOT NULL,
    readings TEXT NOT NULL,
    layers TEXT NOT NULL,
    dtype TEXT NOT NULL,
    UNIQUE (run, what, readings)
);
CREATE TABLE chunks (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    series INTEGER NOT NULL,
    last INTEGER NOT NULL,
    steps BLOB NOT NULL,
    rows BLOB NOT NULL
);
CREATE INDEX chunks_of ON chunks (series, id);
CREATE TABLE deliveries (
    run INTEGER NOT NULL,
    target TEXT NOT NULL,
    remote TEXT,
    cursor TEXT NOT NULL DEFAULT '{}',
    state TEXT NOT NULL,
    error TEXT NOT NULL DEFAULT '',
    tried REAL NOT NULL DEFAULT 0,
    PRIMARY KEY (run, target)
);
"""


class StoreError(Exception):
    """The store cannot be used; the text says why, and what to do."""


class NoStore(StoreError):
    """There is no store, or nothing in it yet."""


def connect(path: Path, *, create: bool = False) -> sqlite3.Connection:
    """Open the store; any thread may use the connection, one at a time.

    Args:
        path: of the file.
        create: make the file and its tables if they are not there.

    Raises:
        StoreError: it is not there, is of a later version, or is something else.
        sqlite3.Error: the disk does not do its part.
    """
    if create:
        path.parent.mkdir(parents=True, exist_ok=True)
    elif not path.is_file():
        raise NoStore(
            f"there is no store of runs at {path}: go to the folder of the notebook or script, or set NNWIDGETS_HOME to "
            "the folder that holds runs.db."
        )
    connection = _open(path, create)
    try:
        _check(connection, path, create)
    except BaseException:
        connection.close()
        raise
    return connection


def _open(path: Path, create: bool) -> sqlite3.Connection:
    mode = "rwc" if create else "rw"
    # autocommit: transactions are begun where they are meant
    connection = sqlite3.connect(
        f"{path.absolute().as_uri()}?mode={mode}",
        uri=True,
        timeout=PATIENCE,
        isolation_level=None,
        check_same_thread=False,
    )
    try:
        connection.execute("SELECT name FROM sqlite_master LIMIT 1").fetchone()
        return connection
    except sqlite3.DatabaseError as error:
        connection.close()
        if create or ("unable to open" not in str(error) and "readonly" not in str(error)):
            raise _unreadable(path, error) from None
    # in a folder that is read-only there can be no index of what was written last
    return sqlite3.connect(f"{path.absolute().as_uri()}?immutable=1", uri=True, check_same_thread=False)


def _unreadable(path: Path, error: sqlite3.DatabaseError) -> Exception:
    if isinstance(error, sqlite3.OperationalError):
        return error
    return StoreError(f"{path} is no store of runs ({error}): move it away, and a new one is made.")


def _check(connection: sqlite3.Connection, path: Path, create: bool) -> None:
    version = connection.execute("PRAGMA user_version").fetchone()[0]
    application = connection.execute("PRAGMA application_id").fetchone()[0]
    empty = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0] == 0
    if create:
        # in the order of writing; the newest moments may be lost with the power, and the file stays whole
        connection.execute("PRAGMA synchronous = NORMAL")
    if empty and create:
        return _make(connection, _journal(path))
    if empty:
        raise NoStore(f"{path} holds nothing yet: a run that begins writes into it in a moment. Ask again then.")
    if application != APPLICATION:
        raise StoreError(f"{path} is an SQLite file of something else: set NNWIDGETS_HOME to another folder.")
    if version != VERSION:
        newer = f"this nnwidgets knows up to {VERSION}; upgrade nnwidgets to read it."
        older = f"this nnwidgets knows {VERSION} only; move it away to begin a new one. It was not changed."
        raise StoreError(f"{path} has format {version}: {newer if version > VERSION else older}")
    return None


def _journal(path: Path) -> str:
    """The kind of journal, which stays with the file.

    With WAL readers and the writer do not wait for each other, but all must be on one machine (sqlite.org/wal.html): in a
    folder that several share over the network it is the journal that needs nothing but locks.
    """
    whole, place = path.resolve(), ("", "")
    for disk in psutil.disk_partitions(all=True):
        if whole.is_relative_to(disk.mountpoint) and len(disk.mountpoint) > len(place[0]):
            place = (disk.mountpoint, disk.fstype)
    return "DELETE" if place[1].lower().startswith(_NETWORK) else "WAL"


def _make(connection: sqlite3.Connection, journal: str) -> None:
    connection.execute(f"PRAGMA journal_mode = {journal}")
    connection.execute("BEGIN IMMEDIATE")
    # another process may have been first
    if connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0] == 0:
        for statement in _TABLES.split(";"):
            connection.execute(statement)
        connection.execute(f"PRAGMA application_id = {APPLICATION}")
        connection.execute(f"PRAGMA user_version = {VERSION}")
    connection.execute("COMMIT")
