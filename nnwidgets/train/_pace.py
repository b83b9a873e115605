"""What the seconds of a run's steps are spent on."""

from __future__ import annotations

from collections import Counter

from nnwidgets.records import History

EVERY = 20
"""Steps that go into one reading."""


class Pace:
    """Adds up waits, and reads them as ``run/data``, ``run/device`` and ``run/step``: mean seconds a step.

    Args:
        history: takes the readings.
    """

    def __init__(self, history: History) -> None:
        self._history, self._seconds, self._steps = history, Counter[str](), 0

    def waited(self, name: str, seconds: float) -> None:
        """Some seconds of the step that is being made went into waiting for "data" or for the "device"."""
        self._seconds[name] += seconds

    def end_step(self, step: int, seconds: float) -> None:
        """The step took so long in all."""
        self._seconds["step"] += seconds
        self._steps += 1
        if self._steps == EVERY:
            for name in ("data", "device", "step"):
                self._history.add_scalar(f"run/{name}", step, self._seconds[name] / EVERY)
            self._seconds.clear()
            self._steps = 0
