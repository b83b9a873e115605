"""Where a run stands, and what a user asks of it: the two small records that train/ and panels/ exchange."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

RunState = Literal["idle", "compiling", "running", "paused", "stopped", "finished"]
CommandName = Literal[
    "pause",
    "resume",
    "step",
    "run",
    "stop",
    "multiplier",
    "pause_when",
    "forget_pauses",
    "gradcheck",
    "rewind",
    "lint",
    "verify",
    "check",
    "look",
    "explore",
    "halt",
]


@dataclass(frozen=True)
class Status:
    """Where a run stands.

    Attributes:
        state: what the loop is doing.
        step: updates made so far.
        target: the step at which the present `run` ends; None when only the data ends it.
        steps_per_second: over the last second or so; 0.0 before it is known.
        seconds_left: until `target`; None when unknown.
        probe_every: for each kind of probe ("statistics", "histograms", "activations"), it reads every k-th step;
            0 while that kind is off.
        watching_share: seconds spent watching over the run's own seconds, so far.
        watching_seconds: seconds that watching added to a step, on average so far.
        redraw_seconds: that the run loses by a redraw of the dashboard, the drawing in a browser beside it included; 0.0 before
            it is known.
        multiplier: the learning-rate multiplier, 1.0 unless changed.
        pauses: the standing pause conditions, in words.
        reach: the first and the last step that `rewind` can go to; None where there is no going back.
        message: one line for the user ("compiling the step", "paused: loss > 3", "the data ended"), or "".
    """

    state: RunState = "idle"
    step: int = 0
    target: int | None = None
    steps_per_second: float = 0.0
    seconds_left: float | None = None
    probe_every: dict[str, int] | None = None
    watching_share: float = 0.0
    watching_seconds: float = 0.0
    redraw_seconds: float = 0.0
    multiplier: float = 1.0
    pauses: tuple[str, ...] = ()
    reach: tuple[int, int] | None = None
    message: str = ""


@dataclass(frozen=True)
class Command:
    """One wish of the user, queued by a callback and applied by the loop between two steps.

    Attributes:
        name: what to do.
        value: ``run``: how many steps (int); ``multiplier``: the factor (float); ``pause_when``: a condition
            (see `nnw.Session.pause_when`); ``gradcheck``: the tier; ``rewind``: the step; ``verify``: rule
            and layer of a finding; ``check``: names of checks, all if empty; ``look``: what of `Look` is wanted, a dict
            with any of view, order, position, layer, unit; ``explore``: the name of an
            experiment; else None. ``halt`` ends an experiment that goes on.
    """

    name: CommandName
    value: Any = None
