"""Where an operation was written: file, line, function, and the notebook cell."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from ._jax import Frame, frames, running_kernel


@dataclass(frozen=True)
class Source:
    """A line of the user's program.

    Attributes:
        file: path of the file, as Python knows it.
        line: line number, from 1; in a notebook counted from the top of the cell.
        function: qualified name of the function.
        cell: the execution number ``n`` of ``In [n]``, None outside a notebook.

    Example:
        >>> str(Source("model.py", 12, "MLP.__call__")), str(Source("/tmp/ipykernel_1/2.py", 3, "loss_fn", cell=4))
        ('model.py:12', 'cell [4]:3')
    """

    file: str
    line: int
    function: str
    cell: int | None = None

    def __str__(self) -> str:
        return f"{self.file}:{self.line}" if self.cell is None else f"cell [{self.cell}]:{self.line}"


def user_source(stack: Iterable[Frame]) -> Source | None:
    """The innermost line that is the user's own, not a library's; None where there is none."""
    mine = [frame for frame in stack if not frame.in_library]
    if not mine:
        return None
    frame = mine[-1]
    return Source(frame.file, frame.line, frame.function, cell_number(frame.file))


def source_of(eqn: Any) -> Source | None:
    """The user's line that made this equation of a jaxpr; None where there is none."""
    return user_source(frames(eqn))


def cell_number(file: str) -> int | None:
    """The execution number of the notebook cell that a code object's file name stands for, else None."""
    terminal = re.match(r"<ipython-input-(\d+)-", file)
    if terminal:
        return int(terminal[1])
    shell = running_kernel()
    if shell is None or f"{os.sep}ipykernel_" not in file:
        return None
    # IPython notes the number under which each cell was compiled; a cell run again has its newest.
    known = getattr(shell.compile, "_filename_map", {}).get(file)
    if known is not None:
        return known
    history = shell.history_manager.input_hist_raw
    for number in range(len(history) - 1, 0, -1):
        names = [shell.compile.get_code_name(text, text, number) for text in (history[number], history[number] + "\n")]
        if file in names:
            return number
    return None
