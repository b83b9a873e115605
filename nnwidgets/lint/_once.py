"""Working something out once for a setup or a traced program, for all rules that ask."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any, TypeVar

Subject = TypeVar("Subject")
Result = TypeVar("Result")


def once(function: Callable[[Subject], Result]) -> Callable[[Subject], Result]:
    """The same function of one thing (a `Setup`, a `Traced`), which keeps its result with that thing."""
    name = f"once {function.__module__}.{function.__qualname__}"

    @wraps(function)
    def kept(subject: Subject) -> Result:
        known: dict[str, Any] = vars(subject)
        if name not in known:
            known[name] = function(subject)
        return known[name]

    return kept
