"""What the user asked for while a step was running: commands in a queue, and conditions that pause the run."""

from __future__ import annotations

import queue
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from nnwidgets.records import Command

from ._arguments import check_multiplier

Test = Callable[[int, Mapping[str, Any], Callable[[], int]], bool]


@dataclass
class Controls:
    """The wishes of the user; filled from any thread, emptied by the loop between two steps.

    Attributes:
        paused: whether the loop should stand still.
        single: steps to make although paused.
        stopped: whether the loop should return.
        multiplier: the learning-rate multiplier.
        conditions: what pauses the run, each in words with its test; a condition is removed when it has fired.
        missing: for a condition that waits, the reading that it asks for.
    """

    paused: bool = False
    single: int = 0
    stopped: bool = False
    multiplier: float = 1.0
    conditions: list[tuple[str, Test]] = field(default_factory=list)
    missing: dict[str, str] = field(default_factory=dict)
    _queue: queue.SimpleQueue[Command] = field(default_factory=queue.SimpleQueue)

    def send(self, command: Command) -> None:
        """Queue a command."""
        self._queue.put(command)

    def next_command(self) -> Command | None:
        """The oldest command that waits, or None."""
        try:
            return self._queue.get_nowait()
        except queue.Empty:
            return None

    def apply(self, command: Command) -> None:
        """Carry out one command that concerns the controls alone; `run` is the loop's.

        Raises:
            ValueError: if its value is out of range.
        """
        if command.name == "pause":
            self.paused = True
        elif command.name == "resume":
            self.paused, self.single = False, 0
        elif command.name == "step":
            self.paused, self.single = True, self.single + 1
        elif command.name == "stop":
            self.stopped = True
        elif command.name == "multiplier":
            self.multiplier = check_multiplier(command.value)
        elif command.name == "pause_when":
            self.conditions.append(condition(command.value))
        elif command.name == "forget_pauses":
            self.conditions.clear()

    def check(self, step: int, readings: Mapping[str, Any], findings: Callable[[], int]) -> str | None:
        """The condition that holds now, in words, or None; it is removed. One whose readings are not there yet waits.

        Raises:
            ValueError: if a condition fails; it is removed as well.
        """
        for position, (words, holds) in enumerate(self.conditions):
            try:
                held = holds(step, readings, findings)
            except KeyError as error:
                self.missing[words] = str(error)
                continue
            except Exception as error:
                del self.conditions[position]
                raise ValueError(f"{words} failed and was dropped: {error!r}") from error
            self.missing.pop(words, None)
            if held:
                del self.conditions[position]
                return words
        return None


def condition(value: Any) -> tuple[str, Test]:
    """A pause condition in words and as a test of (step, newest readings, a function that counts the findings).

    Args:
        value: a step (int), ``"non-finite"``, ``"finding"``, ``("step", k)``, ``("loss above", x)``, or a function of
            the newest readings, a mapping such as ``{"train/loss": 0.7}``, that returns a bool.

    Raises:
        ValueError: if it is none of these.
    """
    if callable(value):
        return f"{getattr(value, '__name__', 'condition')}(readings)", lambda step, readings, findings: bool(
            value(readings)
        )
    name, argument = value if isinstance(value, tuple) and len(value) == 2 else (value, None)
    if isinstance(name, int) and not isinstance(name, bool):
        name, argument = "step", name
    if name == "step" and isinstance(argument, int) and argument >= 0:
        return f"step {argument}", lambda step, readings, findings: step >= argument
    if name == "loss above" and isinstance(argument, (int, float)):
        return f"loss above {argument:g}", lambda step, readings, findings: readings.get("train/loss", 0.0) > argument
    if name == "non-finite":
        return "a non-finite number", lambda step, readings, findings: not readings.get("run/finite", 1.0)
    if name == "finding":
        return "a finding", lambda step, readings, findings: findings() > 0
    raise ValueError(
        f"no such pause condition: {value!r}. Wanted a step such as 100, 'non-finite', 'finding', ('loss above', 3.0), or "
        "a function of the newest readings: lambda readings: readings['train/loss'] > 3."
    )
