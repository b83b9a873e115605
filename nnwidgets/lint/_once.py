"""Working something out once for a setup, for all rules that ask."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from ._setup import Setup

Result = TypeVar("Result")


def once(function: Callable[[Setup], Result]) -> Callable[[Setup], Result]:
    """The same function of a setup, which keeps its result with the setup."""
    name = f"once {function.__module__}.{function.__qualname__}"

    @wraps(function)
    def kept(setup: Setup) -> Result:
        known: dict[str, Any] = vars(setup)
        if name not in known:
            known[name] = function(setup)
        return known[name]

    return kept
