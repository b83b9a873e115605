"""How the code of two runs differs: cells, script, modules, the loss; what only comments say is harmless."""

from __future__ import annotations

import ast
import difflib
from dataclasses import dataclass
from typing import Any

from ._cell_pairs import paired_cells
from ._change import NEVER, Change, short, text_of

# Above packages, since code that differs is the likelier cause; what the loss uses goes before the rest.
_LOSS, _CODE = 60, 62


@dataclass(frozen=True)
class Source:
    """One text of code in both runs; None where a run hasn't got it."""

    name: str
    left: str | None
    right: str | None

    @property
    def unified(self) -> str:
        """The difference as a patch."""
        texts = [(each or "").splitlines() for each in (self.left, self.right)]
        return "\n".join(difflib.unified_diff(texts[0], texts[1], self.name, self.name, lineterm=""))


def changed_sources(left: dict[str, Any], right: dict[str, Any]) -> list[Source]:
    """The texts that differ, of the sections "code" of two runs."""
    cells = paired_cells(left.get("cells") or [], right.get("cells") or [])
    found = [Source(f"cell {number}", one, other) for number, one, other in cells]
    found.append(Source(_script_name(left, right), _source(left, "script"), _source(right, "script")))
    modules = [facts.get("modules") or {} for facts in (left, right)]
    for name in sorted({*modules[0], *modules[1]}):
        found.append(Source(f"module {name}", modules[0].get(name), modules[1].get(name)))
    found = [each for each in found if each.left != each.right]
    # in an interactive interpreter, no cell, script or module holds them
    alone = [Source(what, _source(left, what), _source(right, what)) for what in ("loss", "model")]
    return found or [each for each in alone if each.left != each.right]


def _script_name(left: dict[str, Any], right: dict[str, Any]) -> str:
    paths = [(facts.get("script") or {}).get("path") or "" for facts in (right, left)]
    return f"script {(paths[0] or paths[1]).replace(chr(92), '/').rpartition('/')[2]}".strip()


def _source(facts: dict[str, Any], what: str) -> str | None:
    return (facts.get(what) or {}).get("source")


def changed_code(left: dict[str, Any], right: dict[str, Any]) -> list[Change]:
    """The same as changes, and with what the program was called."""
    if not left or not right:
        return []
    slices = [_slice(facts) for facts in (left, right)]
    # the slice decides only where both have one
    aside = bool(slices[0] and slices[1]) and _meaning(slices[0]) == _meaning(slices[1])
    found = [_changed(source, aside) for source in changed_sources(left, right)]
    arguments = [text_of((facts.get("script") or {}).get("argv") or []) for facts in (left, right)]
    if arguments[0] != arguments[1]:
        found.append(Change("code", "arguments of the script", arguments[0], arguments[1], _LOSS))
    commits = [str((facts.get("git") or {}).get("commit") or "")[:12] for facts in (left, right)]
    if commits[0] != commits[1]:
        # the code itself is on record, whatever it was committed as
        found.append(Change("code", "git commit", commits[0], commits[1], _CODE + 4, NEVER))
    return found


def _changed(source: Source, aside: bool) -> Change:
    texts = (source.left, source.right)
    removed, added = _lines(source)
    meanings = [_meaning(text) for text in texts if text is not None]
    if len(meanings) == 2 and meanings[0] == meanings[1]:
        words = f"{source.name} differs in comments or spaces only"
        return Change("code", source.name, removed, added, _CODE, NEVER, words)
    told = f"code of {source.name}: {short(removed) or 'nothing'} against {short(added) or 'nothing'}"
    # the statements are those of cells and scripts: what they import is not looked through
    aside = aside and not source.name.startswith("module ")
    words = f"{told} (not among the statements that the loss uses)" if aside else told
    return Change("code", source.name, removed, added, _CODE + 2 * aside, words=words)


def _lines(source: Source) -> tuple[str, str]:
    lines = source.unified.splitlines()[2:]
    removed, added = ["\n".join(line[1:] for line in lines if line.startswith(sign)) for sign in "-+"]
    return removed, added


def _slice(facts: dict[str, Any]) -> str:
    found = facts.get("slice") or ""
    return found if isinstance(found, str) else "\n".join(map(text_of, found))


def _meaning(source: str) -> str:
    """The code without comments, spaces and docstrings; as it is where it is no plain Python."""
    try:
        tree = ast.parse(source)
    except (SyntaxError, ValueError):
        return source
    for node in ast.walk(tree):
        body = getattr(node, "body", None)
        if isinstance(body, list) and body and _is_words(body[0]):
            node.body = body[1:]  # type: ignore[attr-defined]
    return ast.dump(tree)


def _is_words(node: ast.stmt) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)
