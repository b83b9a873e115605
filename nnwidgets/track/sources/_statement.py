"""What one statement of a program reads, binds and changes."""

from __future__ import annotations

import ast
import builtins
import symtable
from collections.abc import Iterator
from dataclasses import dataclass

_BUILTINS = frozenset(dir(builtins))
# They look at what they get and leave it as it is.
_ONLY_LOOK = frozenset(
    ("print", "display", "len", "repr", "str", "help", "type", "isinstance", "hasattr", "id", "plt", "px", "sns")
)
# Parts of a function's body that run where they are written.
_AT_ONCE = ("listcomp", "setcomp", "dictcomp", "genexpr")
# A generator of random numbers goes on when it is asked, also where the answer is kept.
_DRAWS = frozenset(
    (
        "normal",
        "standard_normal",
        "uniform",
        "random",
        "integers",
        "choice",
        "permutation",
        "shuffle",
        "randn",
        "randint",
    )
)
_PASSING = (ast.If, ast.For, ast.AsyncFor, ast.While, ast.Try, ast.Match)


@dataclass(frozen=True)
class Statement:
    """Names of the top level, as one statement uses them.

    Attributes:
        binds: it gives them a value.
        keeps: of those, the ones whose earlier value may stay or counts: in a branch, ``+=``, ``import a.b``.
        changes: it may change the object behind them: by a method, a store, or handing it to a function.
        uses: it reads them while it runs.
        later: functions that it makes read them when they are called.
        inside: names that live only inside of its functions.
        brings_all: it is ``from x import *``.
        is_future: it is ``from __future__ import ...``.
    """

    binds: frozenset[str]
    keeps: frozenset[str]
    changes: frozenset[str]
    uses: frozenset[str]
    later: frozenset[str]
    inside: frozenset[str]
    brings_all: bool
    is_future: bool

    @classmethod
    def of(cls, node: ast.stmt) -> Statement:
        """Of a statement of the top level."""
        table = symtable.symtable(ast.unparse(node), "<slice>", "exec")
        uses, later = set[str](), set[str]()
        inside, declared = set[str](), set[str]()
        _read(table, uses, later, inside, declared, at_once=True)
        binds = {each.get_name() for each in table.get_symbols() if each.is_assigned() or each.is_imported()}
        star = isinstance(node, ast.ImportFrom) and any(alias.name == "*" for alias in node.names)
        return cls(
            binds=frozenset(binds | declared),
            keeps=frozenset((binds if _may_be_passed(node) else set()) | declared),
            changes=frozenset(_changed(node)),
            uses=frozenset(uses - _BUILTINS),
            later=frozenset(later - _BUILTINS),
            inside=frozenset(inside),
            brings_all=star,
            is_future=isinstance(node, ast.ImportFrom) and node.module == "__future__",
        )


def _read(
    table: symtable.SymbolTable, uses: set[str], later: set[str], inside: set[str], declared: set[str], *, at_once: bool
) -> None:
    """Sort the names that a table of symbols and those within it take from the top level."""
    top = table.get_type() == "module"
    for symbol in table.get_symbols():
        name = symbol.get_name()
        if symbol.is_referenced() and (top or symbol.is_global()):
            (uses if at_once else later).add(name)
        if not top and symbol.is_declared_global() and symbol.is_assigned():
            declared.add(name)
        elif not top and (symbol.is_assigned() or symbol.is_namespace()):
            inside.add(name)
    for child in table.get_children():
        # a class body runs where it stands, a function's when it is called
        runs_here = at_once and (child.get_type() != "function" or child.get_name() in _AT_ONCE)
        _read(child, uses, later, inside, declared, at_once=runs_here)


def _may_be_passed(node: ast.stmt) -> bool:
    if isinstance(node, ast.Import):
        return any("." in alias.name and alias.asname is None for alias in node.names)
    return isinstance(node, (*_PASSING, ast.AugAssign))


def _changed(node: ast.stmt) -> Iterator[str]:
    """The names of objects that a statement may change, function bodies in it aside."""
    if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
        return
    for each in ast.walk(node):
        if isinstance(each, (ast.Attribute, ast.Subscript)) and isinstance(each.ctx, (ast.Store, ast.Del)):
            yield from _root(each)
        elif isinstance(each, ast.Expr) and isinstance(call := _awaited(each.value), ast.Call):
            yield from _by_call(call)
        elif isinstance(each, ast.Call) and _last_name(each.func) == "next":
            yield from (name for argument in each.args for name in _root(argument))
        elif isinstance(each, ast.Call) and isinstance(each.func, ast.Attribute) and each.func.attr in _DRAWS:
            # of a variable's own: `jax.random.normal` leaves `jax` as it is
            yield from _root(each.func) if isinstance(each.func.value, ast.Name) else ()


def _by_call(call: ast.Call) -> Iterator[str]:
    roots = list(_root(call.func))
    if isinstance(call.func, ast.Attribute) and not set(roots) & _ONLY_LOOK:
        yield from roots
    if not {*roots, _last_name(call.func)} & _ONLY_LOOK:
        for argument in (*call.args, *(keyword.value for keyword in call.keywords)):
            yield from _root(argument)


def _awaited(node: ast.expr) -> ast.expr:
    return node.value if isinstance(node, ast.Await) else node


def _last_name(node: ast.expr) -> str:
    return node.attr if isinstance(node, ast.Attribute) else node.id if isinstance(node, ast.Name) else ""


def _root(node: ast.expr) -> Iterator[str]:
    """The variable in front of attributes, subscripts and calls."""
    while isinstance(node, (ast.Attribute, ast.Subscript, ast.Call, ast.Starred)):
        node = node.func if isinstance(node, ast.Call) else node.value
    if isinstance(node, ast.Name):
        yield node.id
