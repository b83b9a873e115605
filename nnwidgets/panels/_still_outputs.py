"""The outputs of a notebook in which the picture of a dashboard stays, beside the live ones."""

from __future__ import annotations

import threading
import time
import uuid
from collections.abc import Hashable, Sequence
from dataclasses import dataclass, field
from typing import Any

from nnwidgets.records import Finding, History, Notice, Status

from . import _cells
from ._comms import running_shell
from ._still import WIDE, still
from ._summary import summary

# Seconds between two pictures of a run that goes on, at least; and the share of its time that they take, at most.
EVERY, SHARE = 30.0, 0.005
# Outputs that are renewed: where cells have no ids, nobody tells of those that are gone.
MOST = 8
LIVE = "nnwidgets: here the live dashboard is shown by a notebook that has a kernel. Its last state follows."
FROZEN = "nnwidgets: frozen. For the live dashboard, display it again: type session (or what you called it) in a cell."


@dataclass(frozen=True)
class _Pair:
    """Two outputs, one after the other, by their display ids; and the cell, with the number of its execution."""

    cell: tuple[str, int]
    live: str = field(default_factory=lambda: uuid.uuid4().hex)
    kept: str = field(default_factory=lambda: uuid.uuid4().hex)


class StillOutputs:
    """Where a notebook keeps the picture of one dashboard.

    A live output that has lost its state says "model not found", even with an image beside it in the same output. So the
    picture is an output of its own, right below. It is sent again when it would be another one: at once where the run
    stands still, seldom while it goes on. In the notebook file the metadata of the outputs hold ``{"nnwidgets": "live"}``,
    ``"still"``, and ``"frozen"`` where a live one was.

    Args:
        history: of the run.
    """

    def __init__(self, history: History) -> None:
        self._history = history
        self._pairs: list[_Pair] = []
        self._lock = threading.Lock()
        self._sent: Hashable = None
        self._sent_at, self._seconds = float("-inf"), 0.0

    @staticmethod
    def possible() -> bool:
        """Whether outputs go to a front end that can be told to change them: a notebook's kernel, no terminal or script."""
        shell = running_shell()
        return shell is not None and hasattr(shell, "kernel")

    def show(self, bundle: dict[str, Any], *told: Any) -> None:
        """Display the live bundle, and the picture of what is `told` (see `renew`) below."""
        self.prune()
        pair = _Pair(_cells.execution())
        self._pairs = [*self._pairs, pair][-MOST:]
        _publish({**bundle, "text/plain": LIVE}, {"nnwidgets": "live"}, pair.live)
        _publish(*self._picture(*told), pair.kept)

    def due(self, running: bool) -> bool:
        """Whether a picture may be sent now; a run that goes on has to wait for it."""
        if not self._pairs:
            return False
        return not running or time.monotonic() - self._sent_at >= max(EVERY, self._seconds / SHARE)

    def renew(
        self, status: Status, findings: Sequence[Finding], notices: Sequence[Notice], rules: Sequence[str]
    ) -> bool:
        """Send the picture to all outputs again, if it has become another one; whether it was sent."""
        if not self._pairs or _gist(status, self._history, findings, notices) == self._sent:
            return False
        if not self._lock.acquire(blocking=False):
            # another thread is at it
            return False
        try:
            picture = self._picture(status, findings, notices, rules)
            for pair in self._pairs:
                _publish(*picture, pair.kept, update=True)
        finally:
            self._lock.release()
        return True

    def freeze(self) -> None:
        """Leave the pictures as they are, for good, and put a line of text where the live outputs are."""
        pairs, self._pairs = self._pairs, []
        for pair in pairs:
            _publish({"text/plain": FROZEN}, {"nnwidgets": "frozen"}, pair.live, update=True)

    def prune(self) -> None:
        """Forget what the running cell showed when it was run before: those outputs are gone."""
        cell, number = _cells.execution()
        self._pairs = [each for each in self._pairs if not cell or each.cell[0] != cell or each.cell[1] == number]

    @property
    def shown(self) -> bool:
        """Whether there are outputs to be renewed."""
        return bool(self._pairs)

    def _picture(
        self, status: Status, findings: Sequence[Finding], notices: Sequence[Notice], rules: Sequence[str]
    ) -> tuple[dict[str, Any], dict[str, Any]]:
        """The picture with its text, and the metadata; the text alone before there is anything to see."""
        started = time.monotonic()
        self._sent = _gist(status, self._history, findings, notices)
        bundle: dict[str, Any] = {"text/plain": summary(status, self._history, findings, notices, rules)}
        metadata: dict[str, Any] = {"nnwidgets": "still"}
        if findings or any(self._history.latest(name) is not None for name in self._history.names()):
            bundle["image/png"], tall = still(status, self._history, findings, notices, rules)
            first = bundle["text/plain"].partition("\n")[0]
            metadata["image/png"] = {
                "width": WIDE,
                "height": tall,
                "alt": f"{first}; the text output tells the findings",
            }
        self._sent_at = time.monotonic()
        self._seconds = self._sent_at - started
        return bundle, metadata


def _gist(status: Status, history: History, findings: Sequence[Finding], notices: Sequence[Notice]) -> Hashable:
    """What makes it another picture: not the words about what is being done, nor the speed."""
    said = tuple((each.rule, each.where, each.severity, each.step, each.confirmed, each.tried) for each in findings)
    return status.state, status.step, status.target, status.multiplier, history.version, said, len(notices)


def _publish(data: dict[str, Any], metadata: dict[str, Any], display_id: str, *, update: bool = False) -> None:
    from IPython.display import display

    display(data, raw=True, metadata=metadata, display_id=display_id, update=update)
