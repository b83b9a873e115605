"""A run's history as a file, saved again and again while it goes on."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path

from nnwidgets.records import History

# Seconds between two, at least, and the share of the time that they may take.
_EVERY, _SHARE = 2.0, 0.01


class Snapshots:
    """Saves a history into a folder, seldom enough.

    Args:
        history: the run's.
        folder: where ``history.npz`` is kept.

    Attributes:
        over: nothing is saved any more, since the history has become another run's.
    """

    def __init__(self, history: History, folder: Path) -> None:
        self._history, self.folder, self.over = history, folder, False
        self._next, self._version = time.monotonic() + _EVERY, -1

    @property
    def due(self) -> bool:
        """Whether it is time for the next one."""
        return time.monotonic() >= self._next and self._history.version != self._version

    def postpone(self) -> None:
        """One has been asked for."""
        self._next = time.monotonic() + _EVERY

    def save(self, saved: Callable[[], None]) -> None:
        """Write it beside and rename it, unless the run is looked at as it was earlier; `saved` is called if it was done."""
        started, version, turns = time.monotonic(), self._history.version, self._history.turns
        if self.over or self._history.looking_back:
            return None
        self.folder.mkdir(parents=True, exist_ok=True)
        part = self._history.save(self.folder / ".history.npz")
        if self.over or self._history.looking_back or self._history.turns != turns:
            # what was written may be what was known at an earlier step
            return part.unlink()
        os.replace(part, self.folder / "history.npz")
        self._version = version
        self._next = time.monotonic() + max(_EVERY, (time.monotonic() - started) / _SHARE)
        return saved()
