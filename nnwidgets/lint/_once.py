"""Working something out once for a setup or a traced program, for all rules that ask."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any, TypeVar

Subject = TypeVar("Subject")
Result = TypeVar("Result")
_PREFIX = "once "


def once(function: Callable[[Subject], Result]) -> Callable[[Subject], Result]:
    """The same function of one thing (a `Setup`, a `Traced`), which keeps its result with that thing."""
    name = f"{_PREFIX}{function.__module__}.{function.__qualname__}"

    @wraps(function)
    def kept(subject: Subject) -> Result:
        known: dict[str, Any] = vars(subject)
        if name not in known:
            known[name] = function(subject)
        return known[name]

    return kept


def forget(subject: Any) -> None:
    """Drop all that is kept with a thing, which is not what it was."""
    for name in [name for name in vars(subject) if name.startswith(_PREFIX)]:
        del vars(subject)[name]
