"""Runs recorded code again, in this process: ``python -m nnwidgets.track.reruns._rerun_main ORDER.json``."""

from __future__ import annotations

import json
import os
import sys
import threading
import traceback
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType
from typing import Any

from nnwidgets.track.reruns._recorded_import import RecordedLoader, RecordedModules, note_lines


def main(order: str) -> int:
    """Run the section "code" of a run's facts, which a file holds; the exit code is 1 where it ended in an error."""
    code = json.loads(Path(order).read_text(encoding="utf-8"))
    _end_with_parent()
    folder = code.get("folder") or os.getcwd()
    # the folder of -m; a script has its own in this place, a notebook the working folder
    sys.path[0] = folder
    sys.path += [each for each in code.get("paths", ()) if each not in sys.path]
    sys.meta_path.insert(0, RecordedModules(folder, code.get("modules", {}), code.get("imports", {})))
    if code.get("cells"):
        return _run_cells(code["cells"])
    return _run_script(code["script"])


def _end_with_parent() -> None:
    """The parent holds the other end of the standard input: it is closed when the parent dies, however it dies."""
    held = os.dup(0)
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)

    def wait() -> None:
        while os.read(held, 1024):
            pass
        os._exit(130)

    threading.Thread(target=wait, daemon=True).start()


def _run_script(script: dict[str, Any]) -> int:
    path, source = script["path"], script["source"]
    sys.argv = [path, *script["argv"]]
    module = ModuleType("__main__")
    if script.get("module"):
        module.__spec__ = ModuleSpec(script["module"], None, origin=path)
        module.__package__ = script["module"].rpartition(".")[0]
    else:
        sys.path[0] = str(Path(path).parent)
    module.__file__, module.__loader__ = path, RecordedLoader(path, source)
    sys.modules["__main__"] = module
    note_lines(path, source)
    try:
        exec(compile(source, path, "exec", dont_inherit=True), vars(module))
    except Exception as error:
        # Python itself would show the lines of today's file, and those of this one
        traceback.print_exception(error.with_traceback(error.__traceback__ and error.__traceback__.tb_next))
        return 1
    return 0


def _run_cells(cells: list[dict[str, Any]]) -> int:
    """One after the other, as a kernel does: a cell that fails does not keep the next one from running."""
    shell, result = _shell(), None
    for cell in cells:
        result = shell.run_cell(cell["source"], store_history=True, cell_id=cell.get("id"))
        sys.stdout.flush()
    return 0 if result is None or result.success else 1


def _shell() -> Any:
    """An IPython whose pictures, widgets and values are shown nowhere."""
    from IPython.core.interactiveshell import InteractiveShell
    from traitlets.config import Config

    from nnwidgets.track.sources import _cells

    class Shell(InteractiveShell):
        def enable_gui(self, gui: Any = None) -> None:
            """There are no windows."""

        def enable_matplotlib(self, gui: Any = None) -> tuple[Any, str]:
            """Figures are drawn, and not shown."""
            return gui or "agg", "agg"

    quiet = Config()
    # the user's own history file is none of this
    quiet.HistoryManager.enabled = False
    quiet.InteractiveShell.colors = "NoColor"
    shell = Shell.instance(config=quiet, user_module=_fresh_main())
    shell.display_pub.publish = lambda *_, **__: None
    shell.displayhook.compute_format_data = lambda _: ({}, {})
    shell.displayhook.write_output_prompt = shell.displayhook.write_format_data = lambda *_, **__: None
    _cells.watch_cells(shell)
    return shell


def _fresh_main() -> ModuleType:
    module = ModuleType("__main__")
    sys.modules["__main__"] = module
    return module


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
