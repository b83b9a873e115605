"""One file per framework: a model and loss(outputs, targets) become an Objective. Each imports its framework when used."""

from __future__ import annotations

import importlib
from typing import Any

_HOMES = {"from_linen": ".linen", "from_nnx": ".nnx", "from_equinox": ".equinox", "from_keras": ".keras"}
__all__ = ["from_equinox", "from_keras", "from_linen", "from_nnx"]


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(importlib.import_module(_HOMES[name], __name__), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
