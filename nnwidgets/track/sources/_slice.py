"""The statements that a name's value needs, out of all that ran."""

from __future__ import annotations

import ast
from collections.abc import Iterable
from dataclasses import dataclass

from ._plain_python import plain_python
from ._statement import Statement


@dataclass(frozen=True)
class _Placed:
    """A statement with its text."""

    about: Statement
    text: str


def needed(sources: Iterable[str], names: Iterable[str]) -> str:
    """The statements that some names need at the end, in the order in which they ran: a slice backwards.

    The last definition before each use counts, with what changes the object in between: method calls, stores into it, calls
    that get it. What a function reads counts as it is at the end as well as where the function was called. Magics of
    IPython are tolerated, and a cell that can't be read is passed over.

    Args:
        sources: the texts of cells, or of one script.
        names: of the variables, functions or classes wanted.

    Example:
        >>> cells = ["scale = 2; scale = 3", "other = 1", "def loss(x): return scale * x"]
        >>> needed(cells, {"loss"}).splitlines()
        ['scale = 3', 'def loss(x): return scale * x']
    """
    program = [each for source in sources for each in _statements(source)]
    kept = _Search(program).all_for(names)
    if kept:
        # they change the meaning of all others
        kept |= {place for place, each in enumerate(program) if each.about.is_future}
    return "\n".join(program[place].text for place in sorted(kept))


class _Search:
    """Which statements are needed; a demand is a name and the place before which its value is wanted."""

    def __init__(self, program: list[_Placed]) -> None:
        self._program = [each.about for each in program]
        self._kept: set[int] = set()
        self._asked: set[tuple[str, int]] = set()
        self._wanted: frozenset[str] = frozenset()

    def all_for(self, names: Iterable[str]) -> set[int]:
        end, self._wanted = len(self._program), frozenset(names)
        waiting = [(name, end) for name in sorted(self._wanted)]
        while waiting:
            demand = waiting.pop()
            if demand in self._asked:
                continue
            self._asked.add(demand)
            for place in self._makers(*demand):
                self._kept.add(place)
                about = self._program[place]
                waiting += [(name, place) for name in about.uses | (about.binds & about.keeps)]
                # a function reads its names when it is called: there, or at any time until the end
                waiting += [(name, until) for name in about.later for until in (demand[1], end)]
        return self._kept

    def _makers(self, name: str, before: int) -> list[int]:
        """The statements that make the value, from the last one backwards to the one that begins it anew."""
        found, changes = [], []
        for place in range(before - 1, -1, -1):
            about = self._program[place]
            if name in about.binds:
                found.append(place)
                if name not in about.keeps:
                    break
            elif name in about.changes:
                changes.append(place)
        if not found and not any(name in about.binds for about in self._program):
            # a star import may bring anything; what was asked for may live inside a function
            found = [place for place in range(before) if self._program[place].brings_all]
            if not found and name in self._wanted:
                found = [place for place, about in enumerate(self._program) if name in about.inside]
        first = min(found, default=before)
        return found + [place for place in changes if place > first]


def _statements(source: str) -> list[_Placed]:
    text = plain_python(source)
    try:
        tree = ast.parse(text)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return []
    lines = text.split("\n")
    return [_Placed(Statement.of(node), _text(node, text, lines)) for node in tree.body]


def _text(node: ast.stmt, text: str, lines: list[str]) -> str:
    decorators = getattr(node, "decorator_list", [])
    first = min([node.lineno, *(each.lineno for each in decorators)])
    last = node.end_lineno or node.lineno
    alone = node.col_offset == 0 and len(lines[last - 1].encode()) == node.end_col_offset
    if decorators or alone:
        return "\n".join(lines[first - 1 : last])
    return ast.get_source_segment(text, node) or ast.unparse(node)
