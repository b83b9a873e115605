"""The notebook cells that were executed until now."""

from __future__ import annotations

import sys
import weakref
from typing import Any

# The ids that the front end gave to the cells, by execution number; of cells of an older kernel nothing is kept.
_ids: weakref.WeakKeyDictionary[Any, dict[int, str]] = weakref.WeakKeyDictionary()


def running_shell() -> Any:
    """IPython's shell, of a kernel or of a terminal; None in a plain script, where nothing is imported for it."""
    module = sys.modules.get("IPython")
    return module.get_ipython() if module is not None else None


def watch_cells(shell: Any = None) -> None:
    """Take down from now on which cell is executed; a second call does nothing."""
    shell = running_shell() if shell is None else shell
    if shell is None or shell in _ids:
        return
    _ids[shell] = {}
    known = weakref.ref(shell)
    shell.events.register("pre_run_cell", lambda info: _note(known(), info))
    # The cell that runs now began before it was watched.
    parent = _parent(shell)
    number = len(shell.history_manager.input_hist_raw) - 1
    if number > 0 and parent.get("content", {}).get("code", "").rstrip("\n") == _inputs(shell)[number]:
        _keep(shell, number, parent.get("metadata", {}).get("cellId"))


def executed(shell: Any = None) -> list[dict[str, Any]]:
    """The cells in the order in which they ran, that of this moment included.

    Args:
        shell: IPython's; the running one if None.

    Returns:
        list: of ``number`` (the n of ``In [n]``), ``id`` (the front end's, None where it was not told), ``source``, and
        ``failed``: True where the cell is known to have ended in an error. Empty outside IPython.
    """
    shell = running_shell() if shell is None else shell
    if shell is None:
        return []
    watch_cells(shell)
    ids, failed = _ids[shell], getattr(shell.history_manager, "exceptions", {})
    cells = []
    for number, source in enumerate(_inputs(shell)):
        if source:
            cell = {"number": number, "id": ids.get(number), "source": source}
            cells.append(cell | {"failed": True} if number in failed else cell)
    return cells


def _inputs(shell: Any) -> list[str]:
    return list(shell.history_manager.input_hist_raw)


def _parent(shell: Any) -> dict[str, Any]:
    """The message that asked for what runs now; only a kernel has one."""
    try:
        return shell.get_parent() or {}
    except Exception:
        return {}


def _note(shell: Any, info: Any) -> None:
    # What is not stored in the history has no number of its own.
    if shell is not None and info.store_history:
        told = getattr(info, "cell_id", None) or _parent(shell).get("metadata", {}).get("cellId")
        _keep(shell, len(shell.history_manager.input_hist_raw), told)


def _keep(shell: Any, number: int, told: Any) -> None:
    if isinstance(told, str):
        _ids[shell][number] = told
