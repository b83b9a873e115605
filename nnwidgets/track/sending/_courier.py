"""One process' work on bringing one run to one tracking system."""

from __future__ import annotations

import contextlib
import hashlib
import json
import sqlite3
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ..store._run import Run
from ..store._schema import StoreError
from ..store._store import Store
from . import _documents, engines
from ._bounded import bounded
from ._delivery import Busy, Delivery, remote_of, save
from ._stretch import Stretch, ended
from ._unsent import unsent

# Numbers in one request, and requests in one pass; there is a pass a second.
_BATCH, _BATCHES, _PASS = 1000, 5, 1.0
# Seconds: the longest between two passes when nothing is new; between two looks at the facts and findings of a run that goes
# on; between two signs of life.
_IDLE, _DOCUMENTS, _BEAT = 5.0, 10.0, 30.0
# Seconds between two tries: the first wait, and the longest.
_FIRST_WAIT, _LONGEST_WAIT = 1.0, 60.0
# Seconds that one call may take, and one with a file.
_CALL, _LONG_CALL = 30.0, 300.0
# Documents that may fail before the others are left for the next try.
_FAILURES = 2


class GaveUp(Exception):
    """It did not work for too long."""


class Courier:
    """Brings what is new, waits longer after each failure, and gives up at last.

    Args:
        store: which holds the run.
        run: which.
        delivery: claimed by this process; changed as things arrive.
        follow: stay until the run has ended.
        patience: seconds without success until it gives up; while a run that is followed goes on, never.
        out: is told what happens, a line at a time.
        engine: in place of the one that the target names.
    """

    def __init__(
        self,
        store: Store,
        run: Run,
        delivery: Delivery,
        follow: bool,
        patience: float,
        out: Callable[[str], None],
        engine: engines.Engine | None,
    ) -> None:
        self._store, self._run, self._delivery, self._follow = store, run, delivery, follow
        self._patience, self._out, self._engine = patience, out, engine
        self._begun, self._looked = False, -_DOCUMENTS
        self._things = self._most_things = 0
        self._beat = time.monotonic()
        self._deadline = self._beat + patience

    def work(self) -> None:
        """Until all is there.

        Raises:
            GaveUp: too much time has passed without success.
            Refused: the other side says no.
            Busy: another process has taken over.
        """
        idle, wait = _PASS, _FIRST_WAIT
        while True:
            before = self._delivery.rows
            try:
                if self._pass():
                    return
            except (engines.Refused, Busy):
                raise
            except Exception as error:
                self._failed(error, wait)
                wait = min(2 * wait, _LONGEST_WAIT)
                continue
            wait, moved = _FIRST_WAIT, self._delivery.rows != before
            idle = _PASS if moved else min(1.5 * idle, _IDLE)
            if time.monotonic() - self._beat > _BEAT:
                self._save()
            if not (self._engine and self._engine.whole and moved):
                time.sleep(idle)

    def _pass(self) -> bool:
        """Bring what is new; True if there is no need to look again."""
        # looked at first: what was written before it ended is then in the store
        self._run = self._run.fresh()
        goes_on = self._run.alive
        engine = self._made()
        if goes_on and engine.whole:
            return self._leave()
        papers = self._papers(goes_on)
        mark = _checksum([sorted(papers.items()), self._run.state, self._run.step])
        if not goes_on and self._delivery.cursor["before"] == "sent" and self._delivery.cursor.get("mark") == mark:
            self._delivery.state = "sent"
            return True
        self._begin(engine)
        trouble = self._bring_papers(engine, papers)
        if self._bring_numbers(engine, goes_on):
            return False
        if not goes_on:
            trouble = self._bring_end(engine) or trouble
        if trouble is not None:
            raise trouble
        if goes_on:
            return self._leave()
        self._delivery.cursor["mark"] = mark
        self._delivery.state, self._delivery.error = "sent", ""
        self._out(f"run {self._run.id} is at {self._delivery.target}: {self._delivery.rows:,} numbers were sent now.")
        return True

    def _made(self) -> engines.Engine:
        if self._engine is None:
            try:
                self._engine = engines.engine(self._delivery.target)
            except ImportError as missing:
                raise engines.Refused(str(missing)) from None
            # the seconds that its import took are nobody's fault
            self._deadline = time.monotonic() + self._patience
        return self._engine

    def _leave(self) -> bool:
        """A run that goes on is left as it is, unless it is followed."""
        if not self._follow:
            self._delivery.state, self._delivery.error = "waiting", "the run goes on: send it again when it has ended."
        return not self._follow

    def _papers(self, goes_on: bool) -> dict[str, str]:
        """All words about the run, if it is time to look at them; what is no document begins with a colon."""
        if goes_on and time.monotonic() - self._looked < _DOCUMENTS:
            return {}
        self._looked = time.monotonic()
        run = self._run
        parent = remote_of(self._store, run.parent, self._delivery.target) if run.parent else None
        words = {":tags": _documents.tags(run, parent), ":parameters": _documents.parameters(run)}
        return {key: json.dumps(value) for key, value in words.items() if value} | _documents.documents(run)

    def _begin(self, engine: engines.Engine) -> None:
        if self._begun:
            return
        run, known = self._run, self._delivery.remote
        remote = self._within(lambda: engine.begin(run.uid, run.name, run.created, known))
        if remote != known or engine.whole:
            # nothing is there yet
            kept = {key: self._delivery.cursor[key] for key in ("sender", "before")}
            self._delivery.remote, self._delivery.cursor, self._delivery.rows = remote, kept, 0
            self._things = 0
        self._save()
        self._begun = True

    def _bring_papers(self, engine: engines.Engine, papers: dict[str, str]) -> Exception | None:
        """Send the texts that have changed; the error, if there is one, must not keep back the numbers."""
        there, troubles = self._delivery.cursor.setdefault("papers", {}), []
        for name, text in papers.items():
            checksum = _checksum(text)
            if there.get(name) == checksum:
                continue
            try:
                self._within(lambda name=name, text=text: _bring(engine, name, text))
            except engines.Refused:
                raise
            except Exception as error:
                troubles.append(error)
                if len(troubles) == _FAILURES:
                    break
                continue
            there[name] = checksum
            self._arrived()
        return troubles[0] if troubles else None

    def _bring_numbers(self, engine: engines.Engine, goes_on: bool) -> bool:
        """Send numbers; True if there are more."""
        sent = self._delivery.cursor.setdefault("rows", {})
        with self._store.connect() as connection:
            known, stretch = Stretch.next(connection, self._run, goes_on, self._delivery.cursor.get("stretch"))
        for i in range(_BATCHES):
            with self._store.connect() as connection:
                found = unsent(connection, self._run.id, sent, stretch.last, _BATCH)
            if not found:
                self._delivery.cursor["stretch"] = stretch.done()
                # a stretch from an earlier time may not reach to the end
                return known
            if not known and i == 0:
                # written down before anything is sent
                self._delivery.cursor["stretch"] = stretch.kept()
                self._save()
            rows = [engines.Row(name, step, value, stretch.time(step)) for step, name, value in found]
            self._within(lambda rows=rows: engine.log(rows))
            sent |= {name: step for step, name, _ in found}
            self._delivery.rows += len(rows)
            self._arrived()
        return True

    def _bring_end(self, engine: engines.Engine) -> Exception | None:
        """The history, and the news that the run has ended, which is told even if the history is not taken."""
        run, trouble = self._run, None
        checksum = _checksum([run.state, run.step, run.ended])
        if self._delivery.cursor.get("history") != checksum:
            try:
                with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
                    path = run.history().save(Path(folder) / "history.npz")
                    self._within(lambda: engine.file(path), _LONG_CALL)
                self._delivery.cursor["history"] = checksum
            except engines.Refused:
                raise
            except Exception as error:
                trouble = error
        self._within(lambda: engine.end(run.state, ended(run)), _LONG_CALL if engine.whole else _CALL)
        return trouble

    def _arrived(self) -> None:
        """One more thing is there; if it is more than ever, that is a success."""
        self._things += 1
        if self._things > self._most_things:
            self._most_things = self._things
            self._deadline = time.monotonic() + self._patience
            self._delivery.error = ""
        self._save()

    def _save(self) -> None:
        self._beat = time.monotonic()
        self._delivery.state = "sending"
        save(self._store, self._delivery)

    def _failed(self, error: Exception, wait: float) -> None:
        """Wait for the next try, or give up."""
        self._begun, self._looked = False, -_DOCUMENTS
        # our own "no answer" tells less than what was said before
        words = self._delivery.error if isinstance(error, TimeoutError) and self._delivery.error else told(error)
        if self._delivery.error != words:
            self._delivery.error = words
            self._out(f"run {self._run.id} could not be sent to {self._delivery.target}: {words}")
        # for whoever asks meanwhile; it may be the store that failed
        with contextlib.suppress(OSError, sqlite3.Error, StoreError):
            save(self._store, self._delivery)
        left = self._left
        if left <= 0:
            raise GaveUp(words) from error
        time.sleep(min(wait, left))

    @property
    def _left(self) -> float:
        """Seconds until it is given up."""
        if self._follow and self._run.alive:
            self._deadline = time.monotonic() + self._patience
        return self._deadline - time.monotonic()

    def _within(self, call: Callable[[], Any], most: float = _CALL) -> Any:
        return bounded(call, max(0.1, min(most, self._left)))


def told(error: BaseException) -> str:
    """An error in one line."""
    line = next((line for line in str(error).splitlines() if line.strip()), "")
    return f"{type(error).__name__}: {line[:500]}" if line else type(error).__name__


def _bring(engine: engines.Engine, name: str, text: str) -> None:
    if name == ":parameters":
        engine.parameters(json.loads(text))
    elif name == ":tags":
        engine.tags(json.loads(text))
    else:
        engine.document(name, text)


def _checksum(content: Any) -> str:
    return hashlib.sha256(json.dumps(content).encode()).hexdigest()[:16]
