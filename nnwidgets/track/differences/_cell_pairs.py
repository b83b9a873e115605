"""Which cell of one notebook is which of another."""

from __future__ import annotations

import difflib
from collections.abc import Callable
from typing import Any

# The share of the text that two cells must have in common to count as one that was edited.
_ALIKE = 0.5

Cell = dict[str, Any]


def paired_cells(left: list[Cell], right: list[Cell]) -> list[tuple[Any, str | None, str | None]]:
    """Number and both texts of each cell, matched by identity, then by text, then by likeness; None where there is none.

    Example:
        >>> before = [{"number": 1, "id": "a", "source": "x = 1"}, {"number": 2, "id": "b", "source": "y = 2"}]
        >>> paired_cells(before, [{"number": 3, "id": "a", "source": "x = 3"}])
        [(3, 'x = 1', 'x = 3'), (2, 'y = 2', None)]
    """
    texts = [{each["source"] for each in cells} for cells in (left, right)]
    left, right = list(left), list(right)
    found: list[tuple[Cell, Cell]] = []
    for same in (_same_text_and_id, _same_id, _same_text, _alike):
        found += _taken(left, right, same)
    pairs: list[tuple[Any, str | None, str | None]] = []
    pairs += [(other.get("number"), one["source"], other["source"]) for one, other in found]
    # one that was only executed more often is no other code
    pairs += [(each.get("number"), each["source"], None) for each in left if each["source"] not in texts[1]]
    pairs += [(each.get("number"), None, each["source"]) for each in right if each["source"] not in texts[0]]
    return pairs


def _taken(left: list[Cell], right: list[Cell], same: Callable[[Cell, Cell], bool]) -> list[tuple[Cell, Cell]]:
    """The pairs that are the same, taken out of both lists."""
    found = []
    for one in list(left):
        other = next((each for each in right if same(one, each)), None)
        if other is not None:
            left.remove(one)
            right.remove(other)
            found.append((one, other))
    return found


def _same_text_and_id(one: Cell, other: Cell) -> bool:
    return _same_id(one, other) and _same_text(one, other)


def _same_id(one: Cell, other: Cell) -> bool:
    return bool(one.get("id")) and one.get("id") == other.get("id")


def _same_text(one: Cell, other: Cell) -> bool:
    return one["source"] == other["source"]


def _alike(one: Cell, other: Cell) -> bool:
    return difflib.SequenceMatcher(None, one["source"], other["source"]).quick_ratio() > _ALIKE and (
        difflib.SequenceMatcher(None, one["source"], other["source"]).ratio() > _ALIKE
    )
