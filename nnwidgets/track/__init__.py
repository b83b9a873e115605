"""Runs on record: what was trained, on what, with which code; compared, repeated, followed."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from ._follow import Follower as Follower
from ._follow import follow as follow
from ._runs import Runs as Runs
from ._runs import runs as runs
from .differences._difference import Difference as Difference
from .differences._difference import difference as difference
from .sources._cells import watch_cells as watch_cells
from .store._run import Run as Run
from .store._schema import StoreError as StoreError
from .store._store import Store as Store

if TYPE_CHECKING:
    from ._recorder import Recorder as Recorder
    from .reruns._rerun import code as code
    from .reruns._rerun import rerun as rerun
    from .sending._send import send as send
    from .sending._send import send_all as send_all
    from .sending.engines import parse_target as parse_target

# What needs JAX or a tracking system, and is not needed by who reads runs.
_LATER = {
    "Recorder": "_recorder",
    "code": "reruns._rerun",
    "parse_target": "sending.engines",
    "rerun": "reruns._rerun",
    "send": "sending._send",
    "send_all": "sending._send",
}


def __getattr__(name: str) -> Any:
    if name in _LATER:
        return getattr(importlib.import_module(f".{_LATER[name]}", __name__), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
