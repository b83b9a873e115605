"""Hands what happens in a session to whoever records it."""

from __future__ import annotations

import contextlib
import os
import sys
import time
import traceback
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from nnwidgets.records import Notice

if TYPE_CHECKING:
    from ._session import Session

_OFF = ("off", "0", "false", "no")


@dataclass(frozen=True)
class Setting:
    """What a session was made with.

    Attributes:
        tx: the optimizer.
        held: whether the batches are a list or tuple, which hold what they give.
        numbers: hyperparameters by name.
    """

    tx: Any
    held: bool
    numbers: dict[str, Any]


class Tracking:
    """Tells the recorder of a session's events; whatever fails there ends the recording with a notice, never the run.

    Args:
        session: whose events they are.
        setting: what it was made with.
        wanted: False: nobody is told; True: recorded; a string: also sent there. ``NNWIDGETS_TRACK`` has a say where it is
            True: "off", or where to send to.

    Raises:
        ValueError: `wanted` is something else, or no place that runs can be sent to.
    """

    def __init__(self, session: Session, setting: Setting, wanted: bool | str) -> None:
        if not isinstance(wanted, (bool, str)) or wanted == "":
            raise ValueError(
                "track must be True, False (keeps no record) or where to send runs, such as "
                f'"mlflow:http://127.0.0.1:5000"; got {wanted!r}.'
            )
        stated = os.environ.get("NNWIDGETS_TRACK", "")
        if wanted is True and stated:
            wanted = False if stated.lower() in _OFF else stated
        if isinstance(wanted, str):
            from nnwidgets.track import parse_target

            parse_target(wanted)
        self._session, self._setting = session, setting
        self._target = wanted if isinstance(wanted, str) else None
        self._wanted, self._recorder = wanted is not False, None
        if self._wanted and "IPython" in sys.modules:
            # cells are known by their ids from now on
            from nnwidgets.track import watch_cells

            watch_cells()

    @property
    def run(self) -> Any:
        """The run on record; None where there is none."""
        return self._recorder and self._recorder.run

    @property
    def runs(self) -> Any:
        """All runs on record beside it; None where none is kept."""
        if not self._wanted:
            return None
        from nnwidgets.track import Runs, Store

        return Runs(Store(), lambda: self._recorder.uid if self._recorder else "")

    def __call__(self, event: str, *about: Any) -> float:
        """Tell of an event: the name of a method of the recorder, and its arguments; returns the seconds that it took."""
        if not self._wanted:
            return 0.0
        started = time.perf_counter()
        try:
            if self._recorder is None:
                from nnwidgets.track import Recorder

                self._recorder = Recorder(self._session, self._setting, self._target)
            getattr(self._recorder, event)(*about)
            if event == "ended":
                self._session.dashboard.recorded()
        except Exception as error:
            self._wanted = False
            message = f"the run is not recorded any more: {error}"
            self._session.notices.append(Notice("track", message, traceback.format_exc()))
            with contextlib.suppress(Exception):
                self._recorder.lost(message)
        return time.perf_counter() - started
