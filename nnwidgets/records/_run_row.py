"""A run as a row of the table of runs."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class RunRow:
    """What the table of runs shows of one run.

    Attributes:
        id: its number.
        uid: unique everywhere.
        name: that the session was given.
        state: "running", "finished", "stopped", "interrupted", "failed", "nan", "killed", ...
        message: why it is in that state, in words; "" where that needs none.
        started: when it began, in seconds since 1970.
        seconds: that it ran.
        step: updates made.
        steps_per_second: over all of its time; 0.0 before that is known.
        train_loss: the newest; None before the first.
        validation_loss: the newest; None where there is none.
        tags: short words of the user's.
        note: longer ones.
        origin: where it comes from: "branch of 3 at step 50", "repeats 3", or "".
        differs: its hyperparameters that are not the same in all runs beside it, in words.
    """

    id: int
    uid: str
    name: str
    state: str
    started: float
    message: str = ""
    seconds: float = 0.0
    step: int = 0
    steps_per_second: float = 0.0
    train_loss: float | None = None
    validation_loss: float | None = None
    tags: tuple[str, ...] = ()
    note: str = ""
    origin: str = ""
    differs: str = ""
