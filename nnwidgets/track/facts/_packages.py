"""The packages that are installed, and which of them are in use."""

from __future__ import annotations

import importlib.metadata
import os
import sys
from functools import lru_cache


def installed() -> dict[str, str]:
    """Name to version, in the order of names; the first one on the path where there are two, as for an import."""
    return {name: version for name, version, _ in _distributions(_path())}


def imported() -> list[str]:
    """The names of the installed packages of which a module has been imported."""
    loaded = {name.partition(".")[0] for name in list(sys.modules)}
    return [name for name, _, modules in _distributions(_path()) if loaded & modules]


def _path() -> tuple[tuple[str, int], ...]:
    """The import path with the times at which its folders changed: an installation in between changes one."""
    return tuple((entry, _changed(entry)) for entry in sys.path)


def _changed(entry: str) -> int:
    try:
        return os.stat(entry or ".").st_mtime_ns
    except OSError:
        return 0


# some 0.2 s of reading small files, for every run of a process
@lru_cache(maxsize=2)
def _distributions(path: tuple[tuple[str, int], ...]) -> tuple[tuple[str, str, frozenset[str]], ...]:
    found: dict[str, tuple[str, str, frozenset[str]]] = {}
    for each in importlib.metadata.distributions(path=[entry for entry, _ in path]):
        try:
            name, version = each.metadata["Name"], each.version
        except Exception:
            # a folder half removed
            continue
        if name and name.lower() not in found:
            found[name.lower()] = (name, version, _modules(each, name))
    return tuple(found[name] for name in sorted(found))


def _modules(distribution: importlib.metadata.Distribution, name: str) -> frozenset[str]:
    """The top-level modules of a distribution."""
    listed = distribution.read_text("top_level.txt")
    if listed is not None:
        return frozenset(listed.split())
    plain = name.lower().replace("-", "_").replace(".", "_")
    if plain in sys.modules:
        return frozenset([plain])
    parts = [file.parts for file in distribution.files or () if file.suffix in (".py", ".so", ".pyd")]
    tops = {part[0].partition(".")[0] for part in parts if not part[0].endswith((".dist-info", ".data"))}
    return frozenset(tops - {"..", "__pycache__", ""}) or frozenset([plain])
