"""Where an object of the user's was written: name, file, line, source."""

from __future__ import annotations

import ast
import functools
import inspect
import linecache
from types import CodeType
from typing import Any

from ._plain_python import plain_python


def written(value: Any) -> dict[str, Any]:
    """How a function, a class, or the class of an object was written.

    Returns:
        dict: ``name`` (qualified), ``file``, ``line`` (0 where it is not known) and ``source`` ("" where there is none).

    Example:
        >>> about = written(written)
        >>> about["name"], about["file"].endswith("_written.py"), about["source"].splitlines()[0]
        ('written', True, 'def written(value: Any) -> dict[str, Any]:')
    """
    target = bare(value)
    code = getattr(target, "__code__", None)
    if code is None and not isinstance(target, type):
        target = type(target)
    about = {"name": name_of(target), "file": "", "line": 0, "source": ""}
    if isinstance(code, CodeType):
        about |= {"file": code.co_filename, "line": code.co_firstlineno}
        about["source"] = _function_source(target)
        return about
    return about | _class_source(target)


def defined_in(sources: list[str], name: str) -> str:
    """The last definition of a function or class of that name in texts of cells; "" where there is none."""
    for source in reversed(sources):
        text = plain_python(source)
        found = [node for node in ast.parse(text).body if getattr(node, "name", None) == name]
        if found:
            return ast.get_source_segment(text, found[-1]) or ""
    return ""


def bare(value: Any) -> Any:
    """The function below partial, bound, jitted and wrapped ones."""
    while True:
        if isinstance(value, functools.partial):
            value = value.func
        elif inspect.ismethod(value):
            value = value.__func__
        elif (inner := getattr(value, "__wrapped__", None)) is not None and not isinstance(value, type):
            value = inner
        else:
            return value


def name_of(value: Any) -> str:
    """Its qualified name without the places inside functions: what a reader would look for."""
    return str(getattr(value, "__qualname__", None) or type(value).__qualname__).replace("<locals>.", "")


def _function_source(function: Any) -> str:
    try:
        return "".join(inspect.getsourcelines(function)[0]).rstrip("\n")
    except (OSError, TypeError, SyntaxError, IndexError):
        return ""


def _class_source(cls: type) -> dict[str, Any]:
    """A class in a notebook has no file of its own that Python knows: its methods have."""
    codes = [code for each in vars(cls).values() if (code := _code_of(each)) is not None]
    own = [code for code in codes if code.co_qualname.startswith(cls.__qualname__ + ".")]
    if not own:
        return _imported_class(cls)
    file, line = own[0].co_filename, min(code.co_firstlineno for code in own)
    lines = linecache.getlines(file)
    node = _class_around("".join(lines), cls.__name__, line)
    if node is None:
        return {"file": file, "line": line, "source": ""}
    first = min([node.lineno, *(each.lineno for each in node.decorator_list)])
    return {"file": file, "line": first, "source": "".join(lines[first - 1 : node.end_lineno]).rstrip("\n")}


def _code_of(value: Any) -> CodeType | None:
    if isinstance(value, (staticmethod, classmethod)):
        value = value.__func__
    if isinstance(value, property):
        value = value.fget
    code = getattr(bare(value), "__code__", None)
    return code if isinstance(code, CodeType) else None


def _imported_class(cls: type) -> dict[str, Any]:
    try:
        lines, first = inspect.getsourcelines(cls)
        return {"file": inspect.getfile(cls), "line": first, "source": "".join(lines).rstrip("\n")}
    except (OSError, TypeError, SyntaxError, IndexError):
        return {}


def _class_around(source: str, name: str, line: int) -> ast.ClassDef | None:
    try:
        tree = ast.parse(source)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None
    around = [
        node
        for node in ast.walk(tree)
        if isinstance(node, ast.ClassDef) and node.name == name and node.lineno <= line <= (node.end_lineno or 0)
    ]
    return max(around, key=lambda node: node.lineno, default=None)
