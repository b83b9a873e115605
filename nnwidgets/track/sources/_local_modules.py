"""The source of the modules that the user wrote."""

from __future__ import annotations

import importlib.util
import os
import sys
import sysconfig
from pathlib import Path
from types import CodeType, ModuleType
from typing import Any

_MOST_LETTERS = 2_000_000
_PACKAGES = (f"{os.sep}site-packages{os.sep}", f"{os.sep}dist-packages{os.sep}")
_LIBRARY = tuple(
    {os.path.realpath(sysconfig.get_path(name)) + os.sep for name in ("stdlib", "platstdlib")}
    | {sysconfig.get_path(name) + os.sep for name in ("stdlib", "platstdlib")}
)
_HERE = str(Path(__file__).parents[2]) + os.sep


def is_local(code: CodeType | str | None) -> bool:
    """Whether code, or a file of that name, is neither an installed package's nor Python's nor this package's."""
    file = code.co_filename if isinstance(code, CodeType) else code
    if not file or any(part in file for part in _PACKAGES):
        return False
    return not file.startswith((*_LIBRARY, _HERE, "<frozen"))


def local_modules(folder: str) -> dict[str, Any]:
    """The modules that are loaded now and lie outside of installed packages.

    Returns:
        dict: ``modules`` (path relative to the folder, or whole on another drive, to source), ``imports`` (name of each
        module to that path), ``paths`` (folders that the user added to the import path) and ``troubles`` (words). No more
        than 2 MB of source is taken.
    """
    modules: dict[str, str] = {}
    imports: dict[str, str] = {}
    troubles: list[str] = []
    left = _MOST_LETTERS
    for name, file, module in sorted(_loaded(), key=lambda each: (not each[1].startswith(folder + os.sep), each[0])):
        path = _relative(file, folder)
        source = modules.get(path) if path in modules else _source(module, name, file)
        if source is None:
            troubles.append(f"the source of module {name} can't be read: {file}")
            continue
        if path not in modules:
            if len(source) > left:
                troubles.append(f"module {name} is left out: the user's modules hold more than 2 MB of source")
                continue
            left -= len(source)
            if _is_stale(module, file):
                troubles.append(
                    f"module {name} has been changed since it was imported: what is on record is the newer text"
                )
        modules[path] = source
        imports[name] = path
    return {"modules": modules, "imports": imports, "paths": _added_paths(), "troubles": troubles}


def _loaded() -> list[tuple[str, str, ModuleType]]:
    found = []
    # in one go: while a list is made of them, another thread may import
    for name, module in sys.modules.copy().items():
        # as it stands: a module that imports itself when it is asked stays asleep
        about = getattr(module, "__dict__", {})
        file = about.get("__file__") if isinstance(about, dict) else None
        if name in ("__main__", "__mp_main__") or not isinstance(file, str):
            continue
        if file.endswith(".py") and is_local(file):
            found.append((name, os.path.abspath(file), module))
    return found


def _source(module: ModuleType, name: str, file: str) -> str | None:
    try:
        # the loader of a rerun has the recorded text
        loader: Any = getattr(module, "__loader__", None)
        text = loader.get_source(name) if hasattr(loader, "get_source") else None
        return text if text is not None else Path(file).read_text(encoding="utf-8")
    except Exception:
        return None


def _is_stale(module: ModuleType, file: str) -> bool:
    """Whether the file is another one than when it was imported: its compiled form notes the time."""
    try:
        with open(getattr(module, "__cached__", None) or importlib.util.cache_from_source(file), "rb") as compiled:
            head = compiled.read(16)
        changed = int(os.stat(file).st_mtime) & 0xFFFFFFFF
        return head[4:8] == b"\0\0\0\0" and int.from_bytes(head[8:12], "little") != changed
    except (OSError, ValueError, NotImplementedError):
        return False


def _relative(file: str, folder: str) -> str:
    try:
        return Path(os.path.relpath(file, folder)).as_posix()
    except ValueError:
        return file


def _added_paths() -> list[str]:
    """Entries of the import path besides the working folder's, Python's own, and those of installed packages."""
    roots = (sys.prefix + os.sep, sys.base_prefix + os.sep, sys.exec_prefix + os.sep)
    entries = [os.path.abspath(each) for each in sys.path if each and os.path.isdir(each)]
    return [
        each for each in dict.fromkeys(entries) if not (each + os.sep).startswith(roots) and is_local(each + os.sep)
    ]
