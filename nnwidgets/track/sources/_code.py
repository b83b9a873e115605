"""The code that a run was made by: the section "code" of its facts."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from . import _cells, _git
from ._local_modules import is_local, local_modules
from ._secrets import mask
from ._slice import needed
from ._users_own import loss_of, model_of
from ._written import bare, defined_in, name_of, written

_MOST_LETTERS = 2_000_000


def executed() -> int | None:
    """The number of the notebook cell that runs now, or ran last; None outside IPython."""
    shell = _cells.running_shell()
    if shell is None:
        return None
    _cells.watch_cells(shell)
    return len(shell.history_manager.input_hist_raw) - 1


def capture(objective: Any) -> dict[str, Any]:
    """All the code that is known of the run that begins now, with secrets masked; never raises.

    Args:
        objective: what is trained.

    Returns:
        dict: ``kind`` ("notebook", "script" or "interactive"), ``folder``, ``cells`` or ``script`` (``path``, ``source``,
        ``argv``, ``module``), ``modules`` and ``imports``, ``paths``, ``loss`` and ``model`` (``name``, ``file``, ``line``,
        ``source``), ``slice``, ``git``; ``failures`` says in words what of it is missing; ``troubles``, what of the modules.
    """
    facts: dict[str, Any] = {"folder": "", "cells": [], "loss": {}, "model": {}, "slice": "", "git": {}, "troubles": []}
    failures: list[str] = []
    with _told(failures, "the working folder"):
        facts["folder"] = os.getcwd()
    with _told(failures, "the cells"):
        facts["cells"] = _cells.executed()
    with _told(failures, "the script"):
        facts |= _script() if not facts["cells"] else {}
    facts["kind"] = _kind(facts)
    with _told(failures, "local modules"):
        facts |= local_modules(facts["folder"])
    objects: dict[str, Any] = {}
    for what, find in (("loss", loss_of), ("model", model_of)):
        with _told(failures, f"the {what}"):
            objects[what] = find(objective)
            facts[what] = _written(objects[what], _sources(facts))
    with _told(failures, "the slice"):
        facts["slice"] = needed(_sources(facts), {name for each in objects.values() for name in _names(each)})
    with _told(failures, "Git"):
        facts["git"] = _git.describe(facts["folder"] or ".")
    with _told(failures, "masking secrets"):
        return _masked(facts | {"failures": failures})
    # nothing unmasked leaves
    return {"kind": facts["kind"], "folder": facts["folder"], "cells": [], "troubles": [], "failures": failures}


@contextmanager
def _told(failures: list[str], what: str) -> Iterator[None]:
    try:
        yield
    except Exception as error:
        failures.append(f"{what} could not be recorded: {type(error).__name__}: {error}")


def _written(value: Any, sources: list[str]) -> dict[str, Any]:
    about = written(value) if value is not None else {}
    if not about:
        return {}
    if not is_local(about["file"]):
        # what a library wrote is known by its version
        return about | {"source": ""}
    # below %%time and its like Python keeps no lines
    return about if about["source"] else about | {"source": defined_in(sources, about["name"])}


def _kind(facts: dict[str, Any]) -> str:
    if facts["cells"]:
        return "notebook" if "ipykernel" in sys.modules else "interactive"
    return "script" if facts.get("script") else "interactive"


def _script() -> dict[str, Any]:
    main = sys.modules.get("__main__")
    file = getattr(main, "__file__", None)
    if not file:
        return {}
    spec, path = getattr(main, "__spec__", None), Path(file).absolute()
    loader: Any = getattr(main, "__loader__", None)
    # the loader of a rerun has the recorded text
    source = getattr(loader, "recorded", None) or path.read_text(encoding="utf-8", errors="replace")
    about = {"path": str(path), "source": source[:_MOST_LETTERS], "argv": _arguments(sys.argv[1:])}
    return {"script": about | {"module": getattr(spec, "name", None)}}


def _arguments(words: list[str]) -> list[str]:
    """Masked where the word before names a secret: ``--token abc``."""
    pairs = zip(["", *words], words, strict=False)
    return [
        "***" if before.startswith("-") and mask(f"{before} {word}").endswith(" ***") else word
        for before, word in pairs
    ]


def _sources(facts: dict[str, Any]) -> list[str]:
    if facts["cells"]:
        return [cell["source"] for cell in facts["cells"]]
    return [facts["script"]["source"]] if facts.get("script") else []


def _names(value: Any) -> Iterator[str]:
    """The names of the program under which an object is known, else those that it reads."""
    if value is None:
        return
    main = vars(sys.modules["__main__"])
    known = [name for name, each in main.items() if each is value and not name.startswith("_")]
    target = bare(value)
    name = name_of(target).partition(".")[0]
    if not known and name.isidentifier() and getattr(target, "__module__", None) == "__main__":
        known = [name]
    code = getattr(target, "__code__", None)
    yield from known or ((*code.co_names, *code.co_freevars) if code is not None else ())


def _masked(value: Any) -> Any:
    """The same with all texts masked; a long one at once, since a secret may stand on several lines."""
    if isinstance(value, str):
        return mask(value)
    if isinstance(value, dict):
        return {key: _masked(each) for key, each in value.items()}
    return [_masked(each) for each in value] if isinstance(value, list) else value
