"""The face: what the package exports is explicit, documented, and imported when it is first used."""

from __future__ import annotations

import ast
import importlib
import inspect
import subprocess
import sys
from pathlib import Path

import pytest

import nnwidgets as nnw

PACKAGE = Path(nnw.__file__).parent
HEAVY = ("jax", "flax", "optax", "bqplot", "ipywidgets", "anywidget", "equinox", "keras")
PARTS = sorted(path.parent for path in PACKAGE.glob("*/__init__.py"))


def heavy_after(statement: str) -> set[str]:
    """Which heavy packages a fresh process has imported after this statement."""
    code = f"import sys\n{statement}\nprint(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return set(HEAVY) & set(done.stdout.split())


@pytest.mark.parametrize(
    ("statement", "allowed"),
    [
        ("import nnwidgets; dir(nnwidgets); nnwidgets.__version__", set()),
        ("from nnwidgets import History, Finding, DEFAULT_RULES", set()),
        ("from nnwidgets import Dashboard", {"ipywidgets", "bqplot", "anywidget"}),
        ("from nnwidgets import Objective", {"jax"}),
        ("from nnwidgets import DEFAULT_PROBES", {"jax", "optax"}),
        ("from nnwidgets import trace_objective", {"jax"}),
        ("from nnwidgets import from_linen, from_nnx", {"jax", "flax", "optax"}),
        ("from nnwidgets import from_equinox", {"jax", "equinox"}),
        ("from nnwidgets import from_keras", {"jax", "keras"}),
    ],
)
def test_heavy_packages_are_imported_when_needed(statement: str, allowed: set[str]) -> None:
    assert heavy_after(statement) <= allowed


def test_every_listed_name_exists_and_is_documented() -> None:
    for name in nnw.__all__:
        value = getattr(nnw, name)
        if inspect.isclass(value) or inspect.isfunction(value):
            assert value.__doc__, f"nnw.{name} has no docstring"


def test_the_lazy_names_are_those_that_type_checkers_see() -> None:
    """The table of homes and the imports under TYPE_CHECKING say the same."""
    tree = ast.parse(Path(nnw.__file__).read_text(encoding="utf-8"))
    imports = [node for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) and node.level == 1]
    seen = {alias.name: node.module for node in imports if node.module for alias in node.names}
    assert seen == nnw._HOMES
    assert {alias.name for node in imports if not node.module for alias in node.names} == set(nnw._PARTS)


def test_unknown_name_says_which_was_meant() -> None:
    with pytest.raises(AttributeError, match=r"nnwidgets has no 'Sesion'; did you mean Session\?"):
        _ = nnw.Sesion  # pyright: ignore[reportAttributeAccessIssue]
    with pytest.raises(AttributeError, match=r"nnwidgets has no 'qqq'$"):
        _ = nnw.qqq  # pyright: ignore[reportAttributeAccessIssue]


def test_dir_lists_the_face() -> None:
    assert set(nnw.__all__) < set(dir(nnw))


@pytest.mark.parametrize("part", PARTS, ids=lambda part: part.name)
def test_a_part_exports_documented_names(part: Path) -> None:
    """Each face re-exports explicitly (``from ._x import y as y``), and what it exports of ours has a docstring."""
    module = importlib.import_module(f"nnwidgets.{part.name}")
    assert module.__doc__
    tree = ast.parse((part / "__init__.py").read_text(encoding="utf-8"))
    imports = [node for node in tree.body if isinstance(node, ast.ImportFrom) and node.level == 1]
    lacking = [
        f"{part.name}.{alias.name}"
        for node in imports
        for alias in node.names
        if (inspect.isclass(value := getattr(module, alias.name)) or inspect.isfunction(value))
        and value.__module__.startswith("nnwidgets.")
        and not value.__doc__
    ]
    assert not lacking, f"no docstring: {', '.join(lacking)}"
    assert all(alias.asname == alias.name for node in imports for alias in node.names)


@pytest.mark.parametrize("part", PARTS, ids=lambda part: part.name)
def test_a_part_has_tests(part: Path) -> None:
    tests = Path(__file__).parent / part.name
    assert any(tests.glob("test_*.py")), f"nothing under {tests.name}/ tests nnwidgets.{part.name}"
