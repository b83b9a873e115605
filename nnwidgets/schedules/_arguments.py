"""What the arguments of a schedule must be: each check gives the words of what is wrong, and all are told at once."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

# Counts are int32, and twice a length must still be one.
_LONGEST = 2**30


def need(*problems: str) -> None:
    """Raise one ValueError that tells every problem; empty words are none."""
    found = [words for words in problems if words]
    if found:
        raise ValueError("; ".join(found) + ".")


def whole(name: str, value: Any, at_least: int = 1) -> str:
    """A whole number, such as a length in steps or epochs; 100.0 is one."""
    if _is_number(value) and float(value).is_integer() and at_least <= value <= _LONGEST:
        return ""
    return f"{name} must be a whole number from {at_least:,} to {_LONGEST:,}, got {value!r}: type {name}=1000 for 1,000 of them"


def positive(name: str, value: Any, example: float) -> str:
    """A finite number above zero."""
    fine = _is_number(value) and 0 < value < float("inf")
    return "" if fine else f"{name} must be a number above 0, got {value!r}: type, for example, {name}={example:g}"


def rate(name: str, value: Any) -> str:
    """A learning rate: a finite number of at least 0. Of an array, which may be traced, only that it is one number."""
    if isinstance(value, (jax.Array, np.ndarray)):
        fine = value.shape == () and jnp.issubdtype(value.dtype, jnp.number)
    else:
        fine = _is_number(value) and 0 <= value < float("inf")
    return "" if fine else f"{name} must be a number of at least 0, got {value!r}: type, for example, {name}=0.001"


def lowest(name: str, value: Any, learning_rate: Any) -> str:
    """A learning rate that another one never falls below: from 0 to that one, where that is a number."""
    return between(
        name, value, 0, learning_rate if _is_number(learning_rate) and learning_rate > 0 else float("inf"), 0
    )


def between(name: str, value: Any, low: float, high: float, example: float) -> str:
    """A number from ``low`` to ``high``, both allowed."""
    fine = _is_number(value) and low <= value <= high
    words = f"of at least {low:g}" if high == float("inf") else f"from {low:g} to {high:g}"
    return "" if fine else f"{name} must be a number {words}, got {value!r}: type, for example, {name}={example:g}"


def one_of(name: str, value: Any, allowed: Sequence[str]) -> str:
    """One of these words."""
    if value in allowed:
        return ""
    return f"{name} must be {' or '.join(map(repr, allowed))}, got {value!r}: type {name}={allowed[0]!r}"


def rising(name: str, values: Any, at_least: int = 0, strictly: bool = True) -> str:
    """A list of whole numbers, each larger than the one before (or as large, where not strictly)."""
    if not isinstance(values, (Sequence, np.ndarray)) or isinstance(values, str):
        return f"{name} must be a list of whole numbers, got {values!r}: type {name}=[300, 600]"
    wrong = [words for i, value in enumerate(values) if (words := whole(f"{name}[{i}]", value, at_least))]
    if wrong:
        return "; ".join(wrong)
    later = [b - a for a, b in pairwise(values)]
    if all(step > 0 or (step == 0 and not strictly) for step in later):
        return ""
    once = sorted(set(values)) if strictly else sorted(values)
    return f"{name} must rise, got {list(values)}: type {name}={[int(value) for value in once]}"


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float, np.integer, np.floating)) and not isinstance(value, bool)
