"""When a step was made, as far as that can be reckoned."""

from __future__ import annotations

import sqlite3
import time
from dataclasses import dataclass

from ..store._run import Run
from ._unsent import newest


@dataclass(frozen=True)
class Stretch:
    """Steps that are sent with times that lie evenly between two known ones.

    The store does not know when a step was made. A stretch is written down before its first number is sent, so that a number
    that is sent again has the same time again, by which the other side knows it.

    Attributes:
        first: step where it begins, and `began`: the time, in seconds since 1970.
        last: step where it ends, and `ended`: the time.

    Example:
        >>> [Stretch(0, 100.0, 4, 102.0).time(step) for step in (0, 1, 4)]
        [100.0, 100.5, 102.0]
    """

    first: int
    began: float
    last: int
    ended: float

    @classmethod
    def next(
        cls, connection: sqlite3.Connection, run: Run, goes_on: bool, kept: list[list[float] | None] | None
    ) -> tuple[bool, Stretch]:
        """The stretch to be sent now.

        Args:
            connection: to the store.
            run: whose.
            goes_on: it had not ended when it was looked at.
            kept: what the last one told to keep: `kept` before it was sent, and `done` after that.

        Returns:
            whether it was begun before, and the stretch.
        """
        begin, end = kept or ([run.branched_at or 0, run.created], None)
        assert begin is not None
        if end is not None:
            return True, cls(int(begin[0]), begin[1], int(end[0]), end[1])
        last, now = newest(connection, run.id), time.time() if goes_on else ended(run)
        return False, cls(int(begin[0]), begin[1], max(last, int(begin[0])), max(now, begin[1]))

    def kept(self) -> list[list[float] | None]:
        """As JSON, while it is being sent."""
        return [[self.first, self.began], [self.last, self.ended]]

    def done(self) -> list[list[float] | None]:
        """As JSON, when all of it is there: where the next one begins."""
        return [[self.last, self.ended], None]

    def time(self, step: int) -> float:
        """When the step was made, in seconds since 1970; a step outside counts as its nearer end."""
        share = (step - self.first) / (self.last - self.first) if self.last > self.first else 1.0
        return self.began + min(max(share, 0.0), 1.0) * (self.ended - self.began)


def ended(run: Run) -> float:
    """When a run ended, in seconds since 1970; of one that was killed, when it was last heard of."""
    return run.ended or run.created + run.seconds
