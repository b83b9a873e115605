"""nnwidgets: a debugger for neural-network training that lives in the notebook.

Every public name is listed here and imported when it is first used, so that ``import nnwidgets`` costs nothing: no JAX,
Flax, bqplot or ipywidgets yet.
"""

from __future__ import annotations

import difflib
import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from . import schedules as schedules
    from .adapters.equinox import from_equinox as from_equinox
    from .adapters.keras import from_keras as from_keras
    from .adapters.linen import from_linen as from_linen
    from .adapters.nnx import from_nnx as from_nnx
    from .checks import DEFAULT_CHECKS as DEFAULT_CHECKS
    from .explore import DEFAULT_EXPERIMENTS as DEFAULT_EXPERIMENTS
    from .explore import Lab as Lab
    from .gradchecks import gradcheck as gradcheck
    from .objective import Objective as Objective
    from .origins import nan_origin as nan_origin
    from .panels import DEFAULT_PANELS as DEFAULT_PANELS
    from .panels import Dashboard as Dashboard
    from .probes import DEFAULT_PROBES as DEFAULT_PROBES
    from .probes import PerLayer as PerLayer
    from .probes import Snapshot as Snapshot
    from .records import Exploration as Exploration
    from .records import Finding as Finding
    from .records import GradientReport as GradientReport
    from .records import Histogram as Histogram
    from .records import History as History
    from .records import NanReport as NanReport
    from .records import Notice as Notice
    from .records import Series as Series
    from .records import Status as Status
    from .rules import DEFAULT_RULES as DEFAULT_RULES
    from .trace import Trace as Trace
    from .trace import trace_objective as trace_objective
    from .track import follow as follow
    from .track import runs as runs
    from .train import Monitor as Monitor
    from .train import Session as Session

__version__ = "0.1.0"

_HOMES = {
    "DEFAULT_CHECKS": "checks",
    "DEFAULT_EXPERIMENTS": "explore",
    "DEFAULT_PANELS": "panels",
    "DEFAULT_PROBES": "probes",
    "DEFAULT_RULES": "rules",
    "Dashboard": "panels",
    "Exploration": "records",
    "Finding": "records",
    "GradientReport": "records",
    "Histogram": "records",
    "History": "records",
    "Lab": "explore",
    "Monitor": "train",
    "NanReport": "records",
    "Notice": "records",
    "Objective": "objective",
    "PerLayer": "probes",
    "Series": "records",
    "Session": "train",
    "Snapshot": "probes",
    "Status": "records",
    "Trace": "trace",
    "follow": "track",
    "from_equinox": "adapters.equinox",
    "from_keras": "adapters.keras",
    "from_linen": "adapters.linen",
    "from_nnx": "adapters.nnx",
    "gradcheck": "gradchecks",
    "nan_origin": "origins",
    "runs": "track",
    "trace_objective": "trace",
}
# Packages that are names of their own.
_PARTS = ("schedules",)
__all__ = [*_HOMES, *_PARTS]  # pyright: ignore[reportUnsupportedDunderAll]


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        value = getattr(importlib.import_module(f".{_HOMES[name]}", __name__), name)
        globals()[name] = value  # the next look-up does not come here
        return value
    if name in _PARTS:
        return importlib.import_module(f".{name}", __name__)
    close = difflib.get_close_matches(name, __all__)
    hint = f"; did you mean {' or '.join(close)}?" if close else ""
    raise AttributeError(f"nnwidgets has no {name!r}{hint}")


def __dir__() -> list[str]:
    return sorted([*__all__, "__version__"])
