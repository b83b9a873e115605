"""One thing that differs between two runs."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

# An input that can't change any loss acts at no step.
NEVER = math.inf
# Longest value told in a sentence.
_LONGEST = 80


@dataclass(frozen=True)
class Change:
    """What differs, and what it can do.

    Attributes:
        group: "code", "data", "packages", "environment", "hyperparameters", "model", "start", "interventions" or "outcome".
        what: the thing, as a user calls it.
        left: as it is in the first run.
        right: as it is in the second.
        rank: which cause is named first, the lowest; what explains the others goes before them.
        acts: the first step whose loss it can change; `NEVER` for what is harmless.
        words: in place of "what: left against right" in a sentence.
        follows: it is the effect of another one, which is told in its place.
    """

    group: str
    what: str
    left: str
    right: str
    rank: int = 50
    acts: float = 0
    words: str = ""
    follows: bool = False

    @property
    def harmless(self) -> bool:
        """Whether it can't change a number."""
        return self.acts == NEVER

    @property
    def told(self) -> str:
        """It in a sentence."""
        return self.words or f"{self.what}: {short(self.left) or 'none'} against {short(self.right) or 'none'}"


def short(text: str) -> str:
    """One line of bounded length."""
    line = " ".join(text.split())
    return line if len(line) <= _LONGEST else line[: _LONGEST - 3] + "..."


def text_of(value: Any) -> str:
    """A fact in words: functions with their arguments as they are called; nothing is "none"."""
    if value is None:
        return "none"
    if isinstance(value, float):
        return f"{value:.10g}"
    if isinstance(value, dict) and "name" in value:
        arguments = ", ".join(f"{name}={text_of(each)}" for name, each in value.get("arguments", {}).items())
        return f"{value['name']}({arguments})"
    if isinstance(value, (list, tuple)):
        return ", ".join(map(text_of, value))
    if isinstance(value, dict):
        return ", ".join(f"{name}: {text_of(each)}" for name, each in value.items())
    return str(value)


def flat(value: Any, path: str = "") -> dict[str, Any]:
    """Nested facts as path to value; a function is its name and its arguments.

    Example:
        >>> flat({"b1": 0.9, "inner": [{"name": "scale", "arguments": {"step_size": 2}}]})
        {'b1': 0.9, 'inner 0': 'scale', 'inner 0 step_size': 2}
    """
    if isinstance(value, dict) and "name" in value:
        found = {path: value["name"]}
        return found | flat(value.get("arguments", {}), path) | flat_values(value, path)
    if isinstance(value, dict):
        items = value.items()
    elif isinstance(value, (list, tuple)):
        items = enumerate(value)
    else:
        return {path: value}
    found = {}
    for name, each in items:
        found |= flat(each, f"{path} {name}".strip())
    return found


def flat_values(value: dict[str, Any], path: str) -> dict[str, Any]:
    """The values of a schedule."""
    return {f"{path} at step {step}": each for step, each in value.get("values", {}).items()}


def pairs(left: dict[str, Any], right: dict[str, Any]) -> list[tuple[str, Any, Any]]:
    """Name and both values of whatever isn't the same; None where one hasn't got it."""
    names = [*left, *(name for name in right if name not in left)]
    found = [(name, left.get(name), right.get(name)) for name in names]
    return [(name, a, b) for name, a, b in found if a != b]
