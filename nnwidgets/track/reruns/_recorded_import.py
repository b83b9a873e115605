"""Modules are imported from a record in place of today's files."""

from __future__ import annotations

import importlib.abc
import importlib.machinery
import importlib.util
import linecache
import os
from collections.abc import Mapping, Sequence
from types import CodeType, ModuleType
from typing import Any


class RecordedModules(importlib.abc.MetaPathFinder):
    """Finds the recorded modules before any other; they say that they lie where they lay, beside their files of data.

    Args:
        folder: that the paths are relative to.
        modules: path to source.
        imports: name of a module to its path.
    """

    def __init__(self, folder: str, modules: Mapping[str, str], imports: Mapping[str, str]) -> None:
        files = {name: os.path.normpath(os.path.join(folder, path)) for name, path in imports.items()}
        self._files = files
        self._sources = {files[name]: modules[path] for name, path in imports.items() if path in modules}

    def find_spec(
        self, fullname: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        """The recorded module of that name; None leaves it to the others."""
        file = self._files.get(fullname)
        if file is None or file not in self._sources:
            return None
        loader = RecordedLoader(file, self._sources[file])
        places = [os.path.dirname(file)] if os.path.basename(file) == "__init__.py" else None
        return importlib.util.spec_from_file_location(fullname, file, loader=loader, submodule_search_locations=places)


class RecordedLoader(importlib.abc.InspectLoader):
    """Gives a module its recorded source.

    Args:
        file: where it lay.
        recorded: the source.
    """

    def __init__(self, file: str, recorded: str) -> None:
        self.file, self.recorded = file, recorded

    def create_module(self, spec: Any) -> None:
        """The ordinary one."""

    def is_package(self, fullname: str) -> bool:
        """Whether other modules lie inside."""
        return os.path.basename(self.file) == "__init__.py"

    def get_source(self, fullname: str) -> str:
        """As it is on record."""
        return self.recorded

    def get_code(self, fullname: str) -> CodeType:
        """The source, compiled; tracebacks show these lines, whatever the file says today."""
        note_lines(self.file, self.recorded)
        return compile(self.recorded, self.file, "exec", dont_inherit=True)


def note_lines(file: str, source: str) -> None:
    """Whoever asks for the file's lines gets these; without a time they are not looked up again."""
    linecache.cache[file] = (len(source), None, source.splitlines(keepends=True), file)
