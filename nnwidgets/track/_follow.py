"""A run that trains elsewhere, watched here."""

from __future__ import annotations

import os
import threading
import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nnwidgets.records import Finding, History, Notice, Status, write_html

from ._listed import why_ended
from .store._run import Run
from .store._store import Store

if TYPE_CHECKING:
    from nnwidgets.panels import Dashboard

# Seconds between two looks at a run that is alive, and at one that has ended or that nobody looks at.
_EVERY, _SELDOM = 0.2, 1.0
# A saved history is read again after so many seconds at the earliest, and takes no more than this share of the time.
_SAVED_EVERY, _SAVED_SHARE = 2.0, 0.1


class Follower:
    """A run on record, live: its readings, findings and dashboard; nothing here steers it.

    Displayed it keeps itself up to date while somebody looks; without a screen `update` does. Where the run branches, it goes
    over to the newest branch.

    Args:
        run: to follow.

    Attributes:
        run: that is followed now.
        history: its readings.
        notices: what failed inside its debugger, or here.
    """

    def __init__(self, run: Run) -> None:
        self.run, self.history = run, History()
        self.notices: tuple[Notice, ...] = ()
        # a branch that was there before is not gone over to
        self._known = self._newest_branch()
        self._saved_at: int | None = None
        self._next_saved = float("-inf")
        self._told, self._moved, self._trouble = "", "", ""
        self._dashboard: Dashboard | None = None
        self._lock, self._closed = threading.RLock(), threading.Event()
        self._thread: threading.Thread | None = None
        self.update()

    @property
    def status(self) -> Status:
        """Where the run stands."""
        message = why_ended(self.run)
        if self.run.state in ("killed", "failed", "nan"):
            message = (
                f"{'NaN' if self.run.state == 'nan' else self.run.state}: {message}" if message else self.run.state
            )
        status, newest = self.run.status, self.history.latest("train/loss")
        if self.run.state != "nan" and newest is not None:
            # its losses come sooner than its signs of life
            status = replace(status, step=max(status.step, newest[0] + 1))
        return replace(status, message=message)

    @property
    def findings(self) -> tuple[Finding, ...]:
        """What the rules said of it last; remedies are tried where it trains."""
        return tuple(replace(each, change=None) for each in self.run.findings)

    @property
    def words(self) -> str:
        """What is followed here, and why nothing can be steered."""
        run = self.run
        where = f"in process {run.pid} on {run.host}"
        if run.alive:
            return f"following run {run.id} ({run.name}) {where}: read-only, steer it where it trains.{self._moved}"
        end = _ENDS.get(run.state, "has stopped")
        return (
            f"run {run.id} ({run.name}) {end}; it trained {where}. Read-only: nothing can be steered here.{self._moved}"
        )

    @property
    def dashboard(self) -> Dashboard:
        """The panels, without controls."""
        if self._dashboard is None:
            from nnwidgets.panels import (
                DEFAULT_PANELS,
                Checklist,
                Dashboard,
                Experiments,
                LookInside,
                Network,
                RunsTable,
            )

            # what steers, or draws what no saved history holds
            elsewhere = (Experiments, Network, LookInside, RunsTable, Checklist)
            panels = [each for each in DEFAULT_PANELS if each not in elsewhere]
            self._dashboard = Dashboard(self.history, lambda command: None, panels)
        return self._dashboard

    def update(self) -> Follower:
        """Read what is new on record; returns itself."""
        with self._lock:
            self.run = self.run.fresh()
            while (branch := self._newest_branch()) > self._known:
                self._go_over(self.run.store.run(branch))
            self._read_saved()
            self.run.catch_up(self.history)
            notices = [Notice(each["source"], each["message"]) for each in self.run.notices]
            self.notices = tuple(notices + ([Notice("follow", self._trouble)] if self._trouble else []))
        return self

    def save_html(self, file: str | os.PathLike[str] = "report.html") -> Path:
        """Write the run as it is on record now, as one page that needs no network; see `Session.save_html`."""
        from nnwidgets.panels.page import page

        with self._lock:
            run = self.update().run
            told = (self.status, self.history, self.findings, self.notices, run.rules)
            return write_html(file, page(*told, title=run.name, facts=run.about()))

    def close(self) -> None:
        """Follow no longer; the dashboard goes."""
        self._closed.set()
        if self._thread is not None and self._thread is not threading.current_thread():
            self._thread.join(2.0)
        if self._dashboard is not None:
            self._dashboard.close()

    def _newest_branch(self) -> int:
        branch = self.run.store.branch_of(self.run)
        return 0 if branch is None else branch.id

    def _go_over(self, branch: Run) -> None:
        """What the two have in common stays, and the loss of the way that was left is kept as a branch of the picture."""
        self.run.catch_up(self.history)
        self._moved = f" It branched off run {self.run.id} at step {branch.branched_at or 0:,}."
        self.history.branch(branch.branched_at or 0)
        self.run, self._saved_at, self._next_saved = branch, 0, float("-inf")
        self._known = self._newest_branch()

    def _read_saved(self) -> None:
        """The newest saved history, which has the histograms, and the rows that have gone from the store into it."""
        saved = self.run.folder / "history.npz"
        changed = saved.stat().st_mtime_ns if saved.is_file() else 0
        started = time.monotonic()
        if changed == self._saved_at or (self.run.alive and started < self._next_saved):
            return
        loaded = self.run.saved_history()
        # one that was saved before the run branched off has none
        loaded.branches = loaded.branches or self.history.branches
        self.history.take_over(loaded)
        self._saved_at = changed
        now = time.monotonic()
        self._next_saved = now + max(_SAVED_EVERY, (now - started) / _SAVED_SHARE)

    def _follow(self) -> None:
        while not self._closed.is_set():
            looked_at = self.dashboard.viewed
            if looked_at:
                self._show()
            self._closed.wait(_EVERY if looked_at and self.run.alive else _SELDOM)

    def _show(self) -> None:
        try:
            self.update()
            self._trouble = ""
        except Exception as error:
            # the store may be back at the next look
            self._trouble = f"what is new cannot be read: {error}"
            self.notices = (Notice("follow", self._trouble),)
        self._refresh()

    def _refresh(self) -> None:
        dashboard, status = self.dashboard, self.status
        told = f"{self.run.id} {status.state} {status.message}"
        dashboard.rules, dashboard.reading = self.run.rules, self.words
        if dashboard.refresh(status, self.findings, self.notices, force=told != self._told):
            self._told = told
        if dashboard.stills.due(status.state in ("running", "compiling")):
            dashboard.keep(status, self.findings, self.notices)

    def __repr__(self) -> str:
        self.dashboard.reading, self.dashboard.rules = self.words, self.run.rules
        self.dashboard.refresh(self.status, self.findings, self.notices)
        return f"{self.words}\n{self.dashboard!r}"

    def freeze(self) -> None:
        """Leave a picture in the notebook and no widget; displayed again it is live again."""
        self._show()
        self.dashboard.freeze()

    def _ipython_display_(self) -> None:
        self._start()
        self.dashboard._ipython_display_()

    def _start(self) -> None:
        if not self._closed.is_set():
            self._show()
            if self._thread is None:
                self._thread = threading.Thread(target=self._follow, name="nnwidgets follow", daemon=True)
                self._thread.start()

    def _repr_mimebundle_(self, **kwargs: Any) -> dict[str, Any]:
        self._start()
        return {**self.dashboard._repr_mimebundle_(**kwargs), "text/plain": repr(self)}


_ENDS = {"killed": "was killed", "failed": "failed", "nan": "met a NaN", "finished": "has finished"}


def follow(which: int | str = "last", folder: Path | str | None = None) -> Follower:
    """Open the dashboard of a run that trains in another process, or that has ended; it stays up to date.

    Args:
        which: the run's number, its name, the first letters of its uid, or "last".
        folder: that holds ``runs.db``; None: the one that ``NNWIDGETS_HOME`` names, else ``.nnwidgets`` beside the notebook
            or script.

    Raises:
        StoreError: there is no store of runs.
        LookupError: there is no such run.

    Example:
        >>> follow("mine", folder="no/such/folder")  # doctest: +ELLIPSIS
        Traceback (most recent call last):
        ...
        nnwidgets.track.store._schema.NoStore: there is no store of runs at ...
    """
    return Follower(Store(folder).run(which))
