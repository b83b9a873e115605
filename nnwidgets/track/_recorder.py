"""Records the runs of a session while they go on."""

from __future__ import annotations

import itertools
import json
import math
import os
import socket
import sqlite3
import time
import traceback
import uuid
from collections.abc import Callable
from dataclasses import asdict
from typing import Any

import numpy as np
import psutil

from nnwidgets.records import Notice, plain
from nnwidgets.train import Saved, Session, Setting

from ._snapshots import Snapshots
from ._worker import worker
from .facts import _environment, _model, _optimizer
from .facts._fingerprint import Fingerprint
from .sending import _sender
from .sources import _code
from .sources._secrets import mask
from .store import _states
from .store._chunks import Key
from .store._run import Run
from .store._schema import StoreError
from .store._store import Store
from .store._writer import writer

# Seconds between two looks at what the rules say, and before the data is described for the first time.
_FINDINGS_EVERY, _DATA_FIRST = 5.0, 1.0
# The shares of the run's time that hashing the data and judging the history may take.
_HASHING, _JUDGING = 0.01, 0.003
# Seconds that whoever asks for the run waits for what is being taken down of it, at most.
_PATIENCE = 5.0
# The one reading whose smallest value marks the best state.
_BEST = "validation/loss"


# The how manieth session of this process is recorded.
_ordinals = itertools.count(1)


class Recorder:
    """Writes the runs of one session into the store; each branch is a run.

    Its methods are called in the thread of the training loop. They only take down what cannot wait; whatever reads files,
    starts programs or writes happens in threads of its own.

    Args:
        session: whose runs they are.
        setting: what it was made with.
        target: where else they are sent, or None.
    """

    def __init__(self, session: Session, setting: Setting, target: str | None) -> None:
        self._session, self._setting, self._target, self._store = session, setting, target, Store()
        self._writer = writer(self._store.path)
        self.uid = ""
        self._fingerprint = Fingerprint(held=setting.held)
        self._seconds, self._began = 0.0, 0.0
        self._keys: dict[tuple[str, ...], Key] = {}
        self._last: dict[Key, int] = {}
        self._findings = ""
        # the notices that were given
        self._told: set[str] = set()
        self._nan_at: int | None = None
        self._cell: Any = None
        self._interventions: list[dict[str, Any]] = []
        self._code: dict[str, Any] = {}
        # the columns with which the run ended, until it makes another step
        self._end: dict[str, Any] | None = None
        self._ordinal = next(_ordinals)

    @property
    def run(self) -> Run | None:
        """The run on record, with what was being taken down of it; None where it could not be written."""
        worker.drain(_PATIENCE)
        self._writer.flush()
        number = self._writer.number(self.uid)
        try:
            # it may have been removed
            found = None if number is None else self._store.run(number)
        except (LookupError, StoreError):
            return None
        return found if found is not None and found.uid == self.uid else None

    def began(self) -> None:
        """The loop begins, or goes on after it stood still."""
        self._began = time.perf_counter()
        if not self.uid:
            self._session.history.listener = self._heard
            self._open({})
            objective = self._session.objective
            self._do("environment", _environment.capture)
            self._do("hyperparameters", self._hyperparameters)
            self._do("model", lambda: _model.describe(objective))
        else:
            self._writer.set(self.uid, state="running", ended=None, error="")
            self._writer.resume(self.uid, self._pulse)
            if self._target:
                # one that is still at work sends this, too, and the new one leaves at once
                self._send(self._target)
        self._take_code()

    def made(self, step: int, batch: Any, again: bool, seconds: float) -> None:
        """A step was made.

        Args:
            step: its number.
            batch: that it was made on.
            again: whether all data was read once before.
            seconds: that steps take of the run's own.
        """
        self._end = None
        digest = self._fingerprint.note(step, batch, again)
        self._fingerprint.earn(_HASHING * seconds)
        if digest is not None:
            key = Key(self.uid, "data", ("hash",), ("",), "int64")
            self._writer.add(key, step, np.int64(digest).tobytes())
        now = time.perf_counter()
        if now > self._findings_due:
            self._take_findings()
            taken = time.perf_counter() - now
            self._findings_due = now + max(_FINDINGS_EVERY, taken / _JUDGING)
        if self._snapshots.due:
            self._snapshots.postpone()
            self._snapshot()
        if now > self._data_due:
            # the description of much data is long
            self._data_due = now + 2 * (now - self._opened) + 10.0
            self._do("data", self._fingerprint.facts)
        self._tell_trouble()

    def branched(self, step: int, words: str) -> None:
        """The run goes another way from `step` on: what was until now is a run that ended there."""
        if words:
            self._interventions.append({"step": step, "what": words})
        if not self.uid:
            return
        parent, running = self.uid, self._began
        if self._end is None:
            self._close("stopped", f"left for another branch from step {step} on")
        else:
            # it had ended, and nothing came after
            self._writer.set(parent, **self._end)
            self._writer.rest(parent)
        # the history is about to become the other branch's
        self._snapshots.over = True
        self._open({"parent": parent, "branched_at": step})
        self._began = time.perf_counter() if running else 0.0
        if not running:
            # it stands there until the loop begins
            self._writer.rest(self.uid)
            self._writer.set(self.uid, state="stopped", ended=time.time())
        self._copy_facts(parent)
        self._put_code()

    def nan(self, step: int) -> None:
        """A step gave a loss or a gradient that is not finite, and the run pauses before it."""
        self._nan_at = step
        self._writer.flush()

    def ended(self, error: BaseException | None = None) -> None:
        """The loop has ended, for now: in the state of the session's status, or by an error."""
        status = self._session.status
        self._close(self._exit(error), status.message, error)
        self._tell_trouble()

    def lost(self, message: str) -> None:
        """Something failed, and nothing more is taken down."""
        self._session.history.listener = None
        self._writer.rest(self.uid)
        self._writer.set(self.uid, state="stopped", message=message, ended=time.time())

    def _exit(self, error: BaseException | None) -> str:
        if error is not None:
            return "interrupted" if isinstance(error, KeyboardInterrupt) else "failed"
        newest = self._session.history.latest("train/loss")
        ended_bad = newest is not None and not np.isfinite(newest[1]).all()
        if ended_bad or (self._nan_at is not None and self._session.step <= self._nan_at):
            return "nan"
        return "finished" if self._session.status.state == "finished" else "stopped"

    def _open(self, about: dict[str, Any]) -> None:
        self.uid, now = uuid.uuid4().hex, time.time()
        self._opened = time.perf_counter()
        self._seconds, self._best, self._nan_at = 0.0, math.inf, None
        self._last, self._keys, self._findings, self._end = {}, {}, "", None
        self._findings_due, self._data_due = self._opened + _FINDINGS_EVERY, self._opened + _DATA_FIRST
        self._snapshots = Snapshots(self._session.history, self._store.folder / "runs" / self.uid)
        row = {
            "uid": self.uid,
            "name": self._session.name,
            "created": now,
            "heartbeat": now,
            "state": "running",
            "step": self._session.step,
            "rerun_of": os.environ.get("NNWIDGETS_RERUN_OF"),
            "host": socket.gethostname(),
            "pid": os.getpid(),
            "process_started": psutil.Process().create_time(),
        }
        self._writer.begin(self.uid, row | about, self._pulse)
        if self._target:
            self._send(self._target)

    def _close(self, state: str, message: str, error: BaseException | None = None) -> None:
        self._take_findings()
        self._writer.rest(self.uid)
        pulse = self._pulse() | {
            "state": state,
            "message": mask(message),
            "ended": time.time(),
            "heartbeat": time.time(),
        }
        if state != "nan":
            # of a run that was left for another branch, which began earlier
            last = max((step for key, step in self._last.items() if key.what == "train"), default=-1)
            pulse["step"] = max(pulse["step"], last + 1)
        pulse["error"] = mask("".join(traceback.format_exception(error))[-20_000:]) if error is not None else ""
        self._writer.set(self.uid, **pulse)
        self._seconds, self._end = pulse["seconds"], pulse
        self._began = 0.0
        self._do("data", self._fingerprint.facts)
        self._snapshot()
        self._keep_state("final")
        # what cannot wait is in the file when this returns
        self._writer.flush()

    def _pulse(self) -> dict[str, Any]:
        """What changes while a run lives."""
        session, began = self._session, self._began
        # where nobody looks the status stands still
        status = session._desk.stated()
        notices = [{"source": each.source, "message": mask(each.message)} for each in session.notices[-20:]]
        return {
            "step": session.step,
            "state": status.state if status.state in ("compiling", "running", "paused") else "running",
            "message": mask(status.message),
            "seconds": self._seconds + (time.perf_counter() - began if began else 0.0),
            "status": json.dumps(plain(asdict(status)) | {"rules": session.dashboard.rules}),
            "notices": json.dumps(notices),
        }

    def _heard(self, columns: Any, step: int, values: Any) -> None:
        """A row came into the history."""
        key = self._keys.get(columns.names)
        if key is None:
            key = self._keys[columns.names] = Key(self.uid, columns.what, columns.readings, columns.layers, "float32")
        if step < self._last.get(key, -1):
            # an earlier step that is looked at again
            return
        self._last[key] = step
        row = np.broadcast_to(np.asarray(values, np.float32), (len(columns.readings), len(columns.layers)))
        self._writer.add(key, step, row.tobytes())
        if columns.names == (_BEST,) and float(row[0, 0]) < self._best:
            self._best = float(row[0, 0])
            self._keep_state("best")

    def _take_findings(self) -> None:
        text = json.dumps([each.to_dict() for each in self._session.findings])
        if text != self._findings:
            self._findings = text
            self._writer.set(self.uid, findings=text)

    def _hyperparameters(self) -> dict[str, Any]:
        return {"optimizer": _optimizer.describe(self._setting.tx), **self._setting.numbers}

    def _take_code(self) -> None:
        """The code as it was when the loop began; a cell that was executed before is not taken down again."""
        cell = _code.executed()
        if self._code and cell == self._cell:
            return
        self._cell = cell
        self._code = {**_code.capture(self._session.objective), "ordinal": self._ordinal}
        for words in self._code["failures"]:
            self._tell(words)
        self._put_code()

    def _put_code(self) -> None:
        self._writer.state(self.uid, "code", {**self._code, "interventions": list(self._interventions)})

    def _copy_facts(self, parent: str) -> None:
        number, uid = self._writer.number, self.uid
        query = "INSERT OR IGNORE INTO facts SELECT ?, section, content FROM facts WHERE run = ?"

        def copy(connection: sqlite3.Connection) -> None:
            connection.execute(query, (number(uid), number(parent)))

        # in its turn: the facts themselves may be on their way
        self._aside(f"{uid} facts", lambda: self._writer.change(copy))

    def _snapshot(self) -> None:
        uid, snapshots, last = self.uid, self._snapshots, dict(self._last)
        self._aside(f"{uid} history", lambda: snapshots.save(lambda: self._writer.covered(uid, last)))
        if self._target:
            self._aside(f"{uid} deliveries", lambda: self._tell_delivery(uid))

    def _keep_state(self, name: str) -> None:
        folder, session = self._snapshots.folder, self._session
        # by reference: arrays of JAX never change
        here = Saved(session.step, session.params, session.state, session.opt_state)
        self._aside(f"{self.uid} {name}", lambda: _states.write(folder, name, here))

    def _do(self, section: str, describe: Callable[[], Any]) -> None:
        uid = self.uid
        self._aside(f"{uid} {section}", lambda: self._writer.state(uid, section, describe()))

    def _aside(self, name: str, job: Callable[[], Any]) -> None:
        what = name.split()[-1]
        worker.do(name, job, lambda message, details: self._tell(f"{what} was not recorded: {message}", details))

    def _tell(self, words: str, details: str = "") -> None:
        """A notice, once."""
        if words not in self._told:
            self._told.add(words)
            self._session.notices.append(Notice("track", words, details))

    def _tell_trouble(self) -> None:
        if self._writer.trouble:
            self._tell(self._writer.trouble)
        while self._writer.dropped:
            self._tell(f"not recorded: {self._writer.dropped.popleft()}")
        if self._writer.lost:
            self._tell(f"{self._writer.lost:,} rows were given up, since too many were waiting for the disk.")
            self._writer.lost = 0

    def _tell_delivery(self, uid: str) -> None:
        for each in self._store.run(uid).deliveries:
            if each["error"] and each["state"] != "sent":
                kept = "It is kept, and sent later: nnwidgets runs send."
                self._tell(f"not sent to {each['target']} yet: {each['error']} {kept}")

    def _send(self, target: str) -> None:
        uid, store = self.uid, self._store
        self._aside(f"{uid} sender", lambda: self._writer.flush() and _sender.start(store, uid, target))
