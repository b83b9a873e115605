"""Where the store of runs lies."""

from __future__ import annotations

import os
import sys
import sysconfig
from pathlib import Path


def home() -> Path:
    """The folder of the store: ``NNWIDGETS_HOME``, else ``.nnwidgets`` beside the script, else in the working folder.

    A kernel works in its notebook's folder, so that there it lies beside the notebook.
    """
    if stated := os.environ.get("NNWIDGETS_HOME"):
        return Path(stated).expanduser().absolute()
    script = getattr(sys.modules.get("__main__"), "__file__", None)
    folder = Path(script).absolute().parent if script and not _installed(script) else Path.cwd()
    return folder / ".nnwidgets"


def _installed(file: str) -> bool:
    """A command of some package, such as pytest, is nobody's training script."""
    path = Path(file).resolve()
    # python -m nnwidgets
    if path.parent == Path(__file__).resolve().parents[2]:
        return True
    roots = {sysconfig.get_path(name) for name in ("purelib", "platlib", "stdlib", "scripts")}
    return any(path.is_relative_to(Path(root).resolve()) for root in roots) or not path.suffix
