"""The line charts of a page as plain values; chart.js draws them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from nnwidgets.records import History, Series

from .._layer_lines import FAINT
from .._narrow import Narrow
from .._theme import colour_of, layer_colours, order_in
from . import _pack

# Points of a line: two a row, its smallest and its largest value.
ROWS = 1000
# Rows times lines of one chart, and the fewest rows that a line is thinned to.
CELLS, FEWEST = 36_000, 120
# How many times its usual value a loss must have been, to be shown in powers of ten at first.
WIDE = 1000.0
# Named in the legend of the loss.
BRANCHES = 8


def loss(history: History) -> dict[str, Any] | None:
    """Training and validation loss, the ways that a rewound run left, and the two ways of a fork; None without a loss."""
    groups = list(_other_ways(history))
    for part, style in (("train", {}), ("validation", {"dash": "dashed", "dots": True})):
        groups += _whole(history, f"{part}/loss", {"name": part, **style})
    if not groups:
        return None
    return {"title": "Loss", "y": "loss", "log": _wide(history), "smooth": 10, "groups": groups}


def _wide(history: History) -> bool:
    """Whether the training loss spans so much that only powers of ten show all of it."""
    if "train/loss" not in history:
        return False
    series = history["train/loss"]
    low, high = (part[np.isfinite(part)] for part in (series.low, series.high))
    return bool(low.size and high.size and low.min() > 0 and high.max() > WIDE * np.median(low))


def metrics(history: History) -> list[dict[str, Any]]:
    """A chart for each metric of training or validation, each logged number, and the learning rate where it was changed."""
    charts: dict[str, dict[str, Any]] = {}
    for name in history.names():
        part, _, metric = name.partition("/")
        if metric == "loss" and part in ("train", "validation"):
            continue
        if part not in ("train", "validation", "log", "objective") and name != "run/multiplier":
            continue
        title = metric if part in ("train", "validation") else name.replace("run/", "learning rate ")
        dashed = {"dash": "dashed", "dots": True} if part == "validation" else {}
        groups = _whole(history, name, {"name": part if part in ("train", "validation") else title, **dashed})
        if groups:
            empty = {"title": title, "y": title, "log": False, "smooth": -1, "small": True, "groups": []}
            chart = charts.setdefault(title, empty)
            chart["groups"] += groups
    return list(charts.values())


def layers(history: History, name: str, title: str, y: str, **more: Any) -> dict[str, Any] | None:
    """One reading of every tensor or layer, in powers of ten; None before it was read twice."""
    if history.latest(name) is None:
        return None
    count = len(history.tail(name, 1).layers)
    narrow = Narrow(min(ROWS, max(FEWEST, CELLS // count)))
    series = narrow.look(history, name)
    if series is None:
        return None
    order, colours = order_in(history, series.layers), layer_colours(history)
    paths = [series.layers[place] for place in order]
    group = {
        "steps": _pack.exact(series.steps),
        "lines": [
            {"name": path, "colour": colour_of(path, colours), "faint": path.rpartition("/")[2] in FAINT}
            for path in paths
        ],
        # a missing ratio (the first update of zeros) is no fault
        "bad": _pack.bits(narrow.bad[:, order].T) if name != "update/ratio" else None,
        **{part: _pack.powers(values[:, order].T) for part, values in _parts(series)},
    }
    return {"title": title, "y": y, "log": True, "smooth": -1, "groups": [group], **more}


def _whole(history: History, name: str, line: dict[str, Any]) -> list[dict[str, Any]]:
    """A reading of the whole network as a group of one line; [] where it was never read."""
    if name not in history or history.latest(name) is None:
        return []
    narrow = Narrow(ROWS)
    series = narrow.look(history, name)
    bad = narrow.bad
    if series is None:
        series = history[name]
        bad = ~np.isfinite(series.values)
    return [_group(series, line, bad)]


def _group(series: Series, line: dict[str, Any], bad: np.ndarray | None = None) -> dict[str, Any]:
    bad = ~(np.isfinite(series.low) & np.isfinite(series.high)) if bad is None else bad
    exact = {part: _pack.exact(np.where(np.isfinite(values), values, np.nan).T) for part, values in _parts(series)}
    return {"steps": _pack.exact(series.steps), "lines": [line], "bad": _pack.bits(bad.T), **exact}


def _other_ways(history: History) -> Iterator[dict[str, Any]]:
    for branch in history.branches[-BRANCHES:]:
        every = max(1, -(-len(branch.loss) // ROWS))
        yield _group(_thinned(branch.loss, every), {"name": f"before the rewind to step {branch.step:,}", "old": True})
    if history.fork is not None:
        ways = {"unchanged": history.fork.unchanged, history.fork.change: history.fork.changed}
        for (words, losses), dash in zip(ways.items(), ("dotted", "dash-dotted"), strict=True):
            values = losses.mean(axis=0, dtype=np.float64).astype(np.float32)[:, None]
            steps = history.fork.step + np.arange(len(values), dtype=np.int64)
            series = Series("train/loss", steps, ("",), values, values, values)
            every = max(1, -(-len(series) // ROWS))
            yield _group(_thinned(series, every), {"name": f"fork: {words}", "dash": dash})


def _thinned(series: Series, every: int) -> Series:
    """Each so many neighbouring rows as one: last step, mean, smallest and largest value."""
    if every == 1:
        return series
    starts = np.arange(0, len(series), every)
    ends = np.append(starts[1:], len(series)) - 1
    finite = np.isfinite(series.values)
    counts = np.add.reduceat(finite, starts)
    total = np.add.reduceat(np.where(finite, series.values, 0.0), starts, dtype=np.float64)
    mean = np.where(counts > 0, total / np.maximum(counts, 1), np.nan).astype(np.float32)
    # a NaN or infinity among them stays one, as in the buckets of a history
    with np.errstate(invalid="ignore"):
        low, high = np.minimum.reduceat(series.low, starts), np.maximum.reduceat(series.high, starts)
    return Series(series.name, series.steps[ends], series.layers, mean, low, high)


def _parts(series: Series) -> list[tuple[str, np.ndarray]]:
    """The mean of each row; its smallest and largest value only where they differ from it."""
    if np.array_equal(series.low, series.high, equal_nan=True):
        return [("values", series.values)]
    return [("values", series.values), ("low", series.low), ("high", series.high)]
