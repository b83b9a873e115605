"""Other versions of ipykernel over the installed one, so that the controls are tried where they travel differently."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

from ._lab import Lab

# Without their dependencies, which the environment has: an overlay holds what differs and nothing else.
OVERLAYS = {
    "ipykernel-7.3": ("ipykernel==7.3.0", "nest-asyncio2>=1.7"),
    "ipykernel-6.31": ("ipykernel==6.31.0", "nest-asyncio>=1.4", "jupyter-ui-poll>=1.1"),
}


def add_overlay_kernel(lab: Lab, name: str, cache: Path) -> str:
    """Add the kernel `name`, a key of OVERLAYS, to the server; it is installed into `cache` once. Returns the name."""
    folder = cache / name
    if not folder.exists():
        unfinished = cache / f"{name}.unfinished"
        shutil.rmtree(unfinished, ignore_errors=True)
        install = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--target", str(unfinished)]
        subprocess.run([*install, *OVERLAYS[name]], check=True, stdin=subprocess.DEVNULL, timeout=300)
        unfinished.rename(folder)
    paths = [str(folder), *filter(None, [os.environ.get("PYTHONPATH")])]
    lab.add_kernel(name, {"PYTHONPATH": os.pathsep.join(paths)})
    return name
