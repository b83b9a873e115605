"""Which dashboards a notebook cell showed, so that one that it shows no longer is closed."""

from __future__ import annotations

import weakref
from typing import Any

from ._comms import running_shell

# For each cell: the number of its last execution, and what it displayed then.
_shown: dict[str, tuple[int, list[weakref.ref[Any]]]] = {}


def displayed(what: Any) -> None:
    """The running cell displays this; what it displayed when it was run before is told that it is `replaced`.

    The browser tells when it takes a view away. But where a cell is run again before the browser came to make the view,
    there is nothing to tell of.
    """
    cell, number = execution()
    if not cell:
        return
    last, shown = _shown.get(cell, (number, []))
    if last != number:
        earlier = [each for ref in shown if (each := ref()) is not None and each is not what]
        shown = []
        for each in earlier:
            each.replaced()
    _shown[cell] = (number, [*shown, weakref.ref(what)])


def execution() -> tuple[str, int]:
    """The id of the cell that runs and the number of its execution; "" where there are no cells, or none has an id."""
    shell = running_shell()
    parent = shell.get_parent() if hasattr(shell, "get_parent") else None
    cell = (parent or {}).get("metadata", {}).get("cellId")
    return (str(cell), int(shell.execution_count)) if shell is not None and cell else ("", 0)
