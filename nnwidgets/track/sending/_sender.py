"""Starts the process that sends a run to a tracking server."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import Any

from ..store._store import Store

# Held until the process ends: one that is let go of while it works is complained about.
_started: list[Any] = []


def start(store: Store, uid: str, target: str) -> None:
    """Send a run in a process of its own, which goes on when this one ends: a slow server slows nobody."""
    folder = store.folder / "runs" / uid
    folder.mkdir(parents=True, exist_ok=True)
    command = [
        sys.executable,
        "-m",
        "nnwidgets",
        "runs",
        "--home",
        str(store.folder),
        "send",
        uid,
        "--to",
        target,
        "--follow",
    ]
    with open(folder / "send.log", "ab") as log:
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True, env=_calm(os.environ)
        )
    _started.append(process)


def _calm(environment: Any) -> dict[str, str]:
    """The sender needs no accelerator, and is nobody's rerun."""
    return {**environment, "JAX_PLATFORMS": "cpu", "NNWIDGETS_TRACK": "off"}
