"""The arguments of a user's function, as errors and reports call them."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from typing import Any


def argument_names(fn: Callable[..., Any], count: int) -> list[str]:
    """The names of the first arguments, numbers where the signature has none."""
    try:
        parameters = list(inspect.signature(fn).parameters.values())
    except (TypeError, ValueError):
        parameters = []
    known = [each.name for each in parameters if each.kind in (each.POSITIONAL_ONLY, each.POSITIONAL_OR_KEYWORD)]
    return [*known, *(str(i) for i in range(len(known), count))][:count]


def argument_positions(argnums: int | Sequence[int], names: Sequence[str]) -> list[int]:
    """The positions that the user's `argnums` names.

    Raises:
        ValueError: one of them is no position of an argument.
    """
    chosen = [argnums] if isinstance(argnums, int) else list(argnums)
    if not all(isinstance(i, int) and 0 <= i < len(names) for i in chosen):
        raise ValueError(f"argnums must be positions from 0 to {len(names) - 1}, got {argnums!r}: there are {names}.")
    return chosen
