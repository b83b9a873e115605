"""One file per framework: a model and loss(outputs, targets) become an Objective. Each imports its framework when used."""

from __future__ import annotations

import importlib
from typing import Any

_HOMES = {"from_linen": ".linen", "from_nnx": ".nnx", "from_equinox": ".equinox", "from_keras": ".keras"}
__all__ = list(_HOMES)  # pyright: ignore[reportUnsupportedDunderAll]


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(importlib.import_module(_HOMES[name], __name__), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
