"""One run on record."""

from __future__ import annotations

import json
import os
import shutil
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from nnwidgets.records import Finding, History, Status

from . import _states, _texts
from ._about import about
from ._lives import lives
from ._tables import tables
from ._told import told

if TYPE_CHECKING:
    from nnwidgets.train import Session

    from ._store import Store

COLUMNS = (
    "id", "uid", "name", "created", "ended", "heartbeat", "state", "step", "message", "seconds", "error", "parent",
    "branched_at", "rerun_of", "host", "pid", "process_started", "note", "status", "findings", "notices",
)  # fmt: skip
SECTIONS = ("hyperparameters", "model", "code", "data", "environment")
LIVE = ("compiling", "running", "paused")
# Seconds without a sign of life after which a run elsewhere counts as killed: it gives one twice a second.
SILENCE = 15.0


class Run:
    """One run as the store had it when it was asked for; `fresh` reads it anew.

    Attributes:
        id: the number that a user types.
        uid: unique everywhere.
        name: that the session was given.
        created: when it began, in seconds since 1970; `ended`: when it ended or stood still, or None.
        state: "compiling", "running", "paused", "stopped", "finished", "interrupted", "failed", "nan" or "killed".
        step: updates made.
        message: the newest one line for the user.
        seconds: that it ran.
        error: the traceback of one that failed, or "".
        parent: uid of the run that it branched off, or None; `branched_at`: the step there.
        rerun_of: uid of the run that it repeats, or None.
        host: the machine; `pid`: the process.
        note: words of the user's; `tags`: the same, short.
    """

    def __init__(self, store: Store, row: dict[str, Any], tags: tuple[str, ...]) -> None:
        self.store, self.tags = store, tags
        self.id: int = row["id"]
        self.uid: str = row["uid"]
        self.name: str = row["name"]
        self.created: float = row["created"]
        self.ended: float | None = row["ended"]
        self.step: int = row["step"]
        self.message: str = row["message"]
        self.seconds: float = row["seconds"]
        self.error: str = row["error"]
        self.parent: str | None = row["parent"]
        self.branched_at: int | None = row["branched_at"]
        self.rerun_of: str | None = row["rerun_of"]
        self.host: str = row["host"]
        self.pid: int = row["pid"]
        self.note: str = row["note"]
        self._row = row
        self.state: str = "killed" if row["state"] in LIVE and not _goes_on(row) else row["state"]

    @property
    def alive(self) -> bool:
        """Whether more may come of it now."""
        return self.state in LIVE

    @property
    def folder(self) -> Path:
        """Where its files lie: ``history.npz``, ``final.npz``, ``best.npz``, as far as there are any."""
        return self.store.folder / "runs" / self.uid

    @property
    def steps_per_second(self) -> float:
        """Over all of its time; 0.0 before that is known."""
        return max(0, self.step - (self.branched_at or 0)) / self.seconds if self.seconds else 0.0

    @property
    def status(self) -> Status:
        """Where it stood."""
        known = {key: value for key, value in json.loads(self._row["status"]).items() if key in Status.__annotations__}
        known |= {"pauses": tuple(known.get("pauses", ())), "step": self.step, "message": self.message}
        known["state"] = self.state if self.state in (*LIVE, "finished") else "stopped"
        if known.get("reach"):
            known["reach"] = None
        return Status(**known)

    @property
    def rules(self) -> tuple[str, ...]:
        """The names of the rules that looked at it."""
        return tuple(json.loads(self._row["status"]).get("rules", ()))

    @property
    def findings(self) -> tuple[Finding, ...]:
        """What the rules said last."""
        return tuple(
            Finding(**{**each, "change": tuple(each["change"]) if each["change"] else None})
            for each in json.loads(self._row["findings"])
        )

    @property
    def notices(self) -> tuple[dict[str, str], ...]:
        """What failed inside the debugger: ``source`` and ``message``."""
        return tuple(json.loads(self._row["notices"]))

    @property
    def deliveries(self) -> list[dict[str, Any]]:
        """What was sent elsewhere: ``target``, ``remote``, ``state``, ``error``, ``tried``."""
        names = ("target", "remote", "state", "error", "tried")
        with self.store.connect() as connection:
            rows = connection.execute(f"SELECT {', '.join(names)} FROM deliveries WHERE run = ?", (self.id,)).fetchall()
        return [dict(zip(names, row, strict=True)) for row in rows]

    def fresh(self) -> Run:
        """The same, read anew."""
        return self.store.run(self.id)

    def facts(self, section: str) -> dict[str, Any]:
        """What is known about "hyperparameters", "model", "code", "data" or "environment"; {} if nothing is."""
        with self.store.connect() as connection:
            query = "SELECT content FROM facts WHERE run = ? AND section = ?"
            found = connection.execute(query, (self.id, section)).fetchone()
            return _texts.read(connection, found[0]) if found else {}

    def names(self) -> tuple[str, ...]:
        """The readings that are kept step by step: the numbers of the whole network, and the newest of the others."""
        with self.store.connect() as connection:
            rows = connection.execute("SELECT what, readings FROM series WHERE run = ?", (self.id,)).fetchall()
        return tuple(sorted(f"{what}/{reading}" for what, readings in rows for reading in json.loads(readings)))

    def rows(self, name: str) -> tuple[npt.NDArray[np.int64], npt.NDArray[Any]]:
        """A reading of the whole network at every step, those before the run branched off included.

        Returns:
            steps (n,), ascending, and values (n, layers) in the precision that they came in; empty if there are none.
        """
        what, _, reading = name.rpartition("/")
        with self.store.connect() as connection:
            own = [each for each in tables(connection, self.id, what) if reading in each.readings]
        steps, values = (own[0].steps, own[0].values[:, own[0].readings.index(reading)]) if own else _nothing()
        if self.parent is None or self.branched_at is None:
            return steps, values
        try:
            before, earlier = self.store.run(self.parent).rows(name)
        except LookupError:
            return steps, values
        kept = before < self.branched_at
        if not len(steps):
            return before[kept], earlier[kept]
        return np.concatenate([before[kept], steps]), np.concatenate([earlier[kept], values]) if kept.any() else values

    def history(self) -> History:
        """All readings at the resolution of the panels: the newest saved ones, and what came after."""
        history = self.saved_history()
        self.catch_up(history)
        return history

    def saved_history(self) -> History:
        """The newest readings that were saved as a file; those of the run that it branched off, while there is none."""
        saved = self.folder / "history.npz"
        if saved.is_file():
            return History.load(saved)
        if self.parent is None or self.branched_at is None:
            return History()
        try:
            history = self.store.run(self.parent).history()
        except LookupError:
            return History()
        history.truncate(self.branched_at - 1)
        return history

    def catch_up(self, history: History) -> None:
        """Add what is newer than the newest row of each reading."""

        def newest(what: str, readings: tuple[str, ...]) -> int:
            row = history.latest(f"{what}/{readings[0]}")
            return -1 if row is None else row[0]

        with self.store.connect() as connection:
            found = tables(connection, self.id, known=newest)
        for table in found:
            if table.what == "data":
                continue
            writer = history.table(table.what, table.readings, table.layers)
            last = newest(table.what, table.readings)
            for step, row in zip(table.steps.tolist(), table.values, strict=True):
                if step > last:
                    writer.add(step, row)

    def tag(self, word: str) -> None:
        """Mark it with a word."""
        self._change("INSERT OR IGNORE INTO tags VALUES (?, ?)", self.id, word)
        self.tags = tuple(sorted({*self.tags, word}))

    def untag(self, word: str) -> None:
        """Take the mark away."""
        self._change("DELETE FROM tags WHERE run = ? AND tag = ?", self.id, word)
        self.tags = tuple(each for each in self.tags if each != word)

    def annotate(self, note: str) -> None:
        """Write down words about it, in place of those that were."""
        self._change("UPDATE runs SET note = ? WHERE id = ?", note, self.id)
        self.note = note

    def remove(self) -> None:
        """Forget it for good, with its files; texts that other runs share stay.

        Raises:
            ValueError: it is still going on.
        """
        if self.alive:
            raise ValueError(f"run {self.id} is {self.state} in process {self.pid} on {self.host}: stop it first.")
        with self.store.connect() as connection:
            connection.execute("BEGIN IMMEDIATE")
            connection.execute("DELETE FROM chunks WHERE series IN (SELECT id FROM series WHERE run = ?)", (self.id,))
            for table in ("series", "facts", "tags", "deliveries"):
                connection.execute(f"DELETE FROM {table} WHERE run = ?", (self.id,))
            connection.execute("DELETE FROM runs WHERE id = ?", (self.id,))
            connection.execute("COMMIT")
        shutil.rmtree(self.folder, ignore_errors=True)

    def restore(self, session: Session, which: str = "final") -> Session:
        """Put the parameters, the model's state and the optimizer's into a session of the same model and optimizer.

        Args:
            session: which goes on from there.
            which: "final", or "best": the one of the lowest validation loss.

        Raises:
            ValueError: that state is not kept, or has another form.
        """
        return _states.restore(self.folder, which, session)

    def to_dict(self) -> dict[str, Any]:
        """All that is known of it but its readings, for JSON."""
        names = ("id", "uid", "name", "state", "created", "ended", "seconds", "step", "message", "error", "parent")
        names += ("branched_at", "rerun_of", "host", "pid", "note", "tags", "notices", "deliveries")
        about = {name: getattr(self, name) for name in names}
        about["findings"] = [each.to_dict() for each in self.findings]
        return about | {section: self.facts(section) for section in SECTIONS}

    def told(self) -> str:
        """The same for people, in a page at most."""
        return told(self)

    def about(self) -> dict[str, dict[str, Any]]:
        """How it was set up, as tables: for each heading, names and values."""
        return about(self)

    def save_html(self, file: str | os.PathLike[str] = "report.html") -> Path:
        """Write it as one page that needs no network; see `Session.save_html`."""
        from .._follow import Follower

        return Follower(self).save_html(file)

    def _change(self, query: str, *values: Any) -> None:
        with self.store.connect() as connection:
            connection.execute(query, values)

    def __repr__(self) -> str:
        ago = time.strftime("%Y-%m-%d %H:%M", time.localtime(self.created))
        return f"Run({self.id}, {self.name!r}, {self.state} at step {self.step}, {ago})"


def _nothing() -> tuple[npt.NDArray[np.int64], npt.NDArray[Any]]:
    return np.empty(0, np.int64), np.empty((0, 1), np.float32)


def _goes_on(row: dict[str, Any]) -> bool:
    """Whether a run that says it goes on can do so."""
    return lives(row["host"], row["pid"], row["process_started"], row["heartbeat"], SILENCE)
