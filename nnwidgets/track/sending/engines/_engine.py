"""What a tracking system must be able to do."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple, Protocol


class Row(NamedTuple):
    """One number of a run.

    Attributes:
        name: such as "train/loss".
        step: after so many updates.
        value: may be NaN or infinite.
        time: in seconds since 1970.
    """

    name: str
    step: int
    value: float
    time: float


class Refused(Exception):
    """The other side says no, and would say so again; the text is for the user."""


class Engine(Protocol):
    """One run at one tracking system.

    Each call returns when the other side has what it was given, and raises any error if that is not certain: then it is
    made again, with the same.

    Attributes:
        whole: it takes a run only when that has ended, and then all of it at once.
    """

    whole: bool

    def begin(self, uid: str, name: str, created: float, remote: str | None) -> str:
        """Make the run there, or find the one that is there already.

        Args:
            uid: the run's.
            name: the run's.
            created: in seconds since 1970.
            remote: what this returned before, or None.

        Returns:
            its name there; another one than `remote` means that all must be sent anew.
        """
        ...

    def parameters(self, values: Mapping[str, str]) -> None:
        """Put down hyperparameters."""
        ...

    def tags(self, values: Mapping[str, str]) -> None:
        """Put down words about the run, in place of those that had the same name."""
        ...

    def log(self, rows: Sequence[Row]) -> None:
        """Add numbers, 1,000 at most."""
        ...

    def document(self, name: str, text: str) -> None:
        """Put down a text under a path such as "code/slice.py", in place of the one that was there."""
        ...

    def file(self, path: Path) -> None:
        """Put down a file under its name, in place of the one that was there."""
        ...

    def end(self, state: str, ended: float) -> None:
        """The run has ended, for now, in one of the states of `nnwidgets.track.Run`."""
        ...
