"""A notebook's cell as plain Python."""

from __future__ import annotations

import ast
import re
import sys

# Cell magics whose body is Python that runs here.
_AROUND_PYTHON = re.compile(r"\s*%%(?:time|timeit|capture|prun|memit|mprun|lprun|debug|skip_if_ci)\b[^\n]*")
_MAGIC = re.compile(r"\s*(?:[%!]|\?+\w)|.*\w\?+\s*$")


def parses(source: str) -> bool:
    """Whether it is Python."""
    try:
        ast.parse(source)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return False
    return True


def plain_python(source: str) -> str:
    """The cell with its magics as calls where IPython is loaded, else with their lines left empty; "" if that is no Python."""
    if parses(source):
        return source
    source = _AROUND_PYTHON.sub("", source, count=1)
    if source.lstrip().startswith("%%"):
        return ""
    for way in (_by_ipython, _without_magics):
        text = way(source)
        if text is not None and parses(text):
            return text
    return ""


def commented(source: str) -> str:
    """The cell as a script can hold it: what only IPython understands becomes a comment, on its line."""
    if parses(source):
        return source
    head = _AROUND_PYTHON.match(source)
    body = source[head.end() :] if head else source
    if not body.lstrip().startswith("%%"):
        text = "\n".join(f"# {line}" if _MAGIC.match(line) else line for line in body.split("\n"))
        if parses(text):
            return f"# {source[: head.end()].lstrip()}{text}" if head else text
    return "\n".join(f"# {line}" for line in source.split("\n"))


def _by_ipython(source: str) -> str | None:
    module = sys.modules.get("IPython.core.inputtransformer2")
    try:
        return module.TransformerManager().transform_cell(source) if module is not None else None
    except Exception:
        return None


def _without_magics(source: str) -> str:
    return "\n".join("" if _MAGIC.match(line) else line for line in source.split("\n"))
