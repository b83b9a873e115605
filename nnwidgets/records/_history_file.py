"""A history as a file, and back."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy.typing as npt

from . import _npz
from ._checks import Check
from ._finding import plain
from ._fork import Fork
from ._gradient_report import GradientReport
from ._histogram import Histogram
from ._history import Branch, History
from ._nan_report import NanReport
from ._series import Series

Arrays = Mapping[str, npt.NDArray[Any]]
_SERIES = ("steps", "values", "low", "high")
_HISTOGRAM = ("low", "high", "counts")
_FORK = ("unchanged", "changed")


def write(history: History, path: str | os.PathLike[str]) -> Path:
    """Write beside `path`, then rename."""
    with history.lock:
        tables, histograms, branches = history.tables(), history.histograms, history.branches
        packed = [columns.pack() for columns in tables]
        widths = [columns.buckets.width for columns in tables]
        fork = history.fork
    about: dict[str, Any] = {
        "full_steps": history.full_steps,
        "buckets": history.buckets,
        "tables": [
            {"what": columns.what, "readings": columns.readings, "layers": columns.layers, "width": width}
            for columns, width in zip(tables, widths, strict=True)
        ],
        "histograms": [{"name": each.name, "step": each.step, "layers": each.layers} for each in histograms],
        "branches": [{"step": each.step, "name": each.loss.name, "layers": each.loss.layers} for each in branches],
        "fork": fork and {key: plain(value) for key, value in vars(fork).items() if key not in _FORK},
        "gradient_reports": [each.to_dict() for each in history.gradient_reports],
        "nan_reports": [each.to_dict() for each in history.nan_reports],
        "checks": [plain(asdict(check)) for check in history.checks],
    }
    arrays = {f"table{i}_{key}": array for i, table in enumerate(packed) for key, array in table.items()}
    for i, each in enumerate(histograms):
        arrays |= {f"histogram{i}_{key}": getattr(each, key) for key in _HISTOGRAM}
    for i, each in enumerate(branches):
        arrays |= {f"branch{i}_{key}": getattr(each.loss, key) for key in _SERIES}
    arrays |= {f"fork_{key}": getattr(fork, key) for key in _FORK} if fork else {}
    return _npz.write(path, about, arrays)


def read(path: str | os.PathLike[str]) -> History:
    """What `write` wrote.

    Raises:
        ValueError: the file is not a saved history, or of a later format.
    """
    about, arrays = _npz.read(path)
    history = History(about["full_steps"], about["buckets"])
    for i, table in enumerate(about["tables"]):
        columns = history.new_columns(table["what"], tuple(table["readings"]), tuple(table["layers"]))
        prefix = f"table{i}_"
        columns.unpack(
            table["width"], {key.removeprefix(prefix): arrays[key] for key in arrays if key.startswith(prefix)}
        )
    for i, each in enumerate(about["histograms"]):
        low, high, counts = (arrays[f"histogram{i}_{key}"] for key in _HISTOGRAM)
        history.add_histogram(Histogram(each["name"], each["step"], tuple(each["layers"]), low, high, counts))
    for each in about.get("gradient_reports", ()):
        history.add_gradient_report(GradientReport.from_dict(each))
    for each in about.get("nan_reports", ()):
        history.add_nan_report(NanReport.from_dict(each))
    for each in about.get("checks", ()):
        history.add_check(Check(**each))
    history.branches = tuple(_branch(each, i, arrays) for i, each in enumerate(about.get("branches", ())))
    if about.get("fork"):
        history.add_fork(_fork(about["fork"], arrays))
    return history


def _branch(about: Mapping[str, Any], place: int, arrays: Arrays) -> Branch:
    steps, *values = (arrays[f"branch{place}_{key}"] for key in _SERIES)
    return Branch(about["step"], Series(about["name"], steps, tuple(about["layers"]), *values))


def _fork(about: Mapping[str, Any], arrays: Arrays) -> Fork:
    unchanged, changed = (arrays[f"fork_{key}"] for key in _FORK)
    # plain writes infinity as a word that float reads
    difference, low, high = (float(about[key]) for key in ("difference", "low", "high"))
    return Fork(about["step"], about["change"], unchanged, changed, difference, low, high)
