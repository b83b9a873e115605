"""History: nothing lost that it promises to keep, in memory that does not grow."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest

from nnwidgets.records import Finding, Fork, History


def test_the_newest_are_whole_and_the_older_in_buckets() -> None:
    history = History(full_steps=64, buckets=32)
    values = np.random.default_rng(0).normal(size=5000).astype(np.float32)
    for step, value in enumerate(values):
        history.add_scalar("train/loss", step, float(value))
    series = history["train/loss"]
    np.testing.assert_array_equal(series.values[-32:, 0], values[-32:])
    assert series.low.min() == values.min()
    assert series.high.max() == values.max()
    assert len(series) <= 64 + 64 + 32
    assert (np.diff(series.steps) > 0).all()


def test_a_million_steps_of_a_hundred_tensors_stay_under_200_mb() -> None:
    history = History()
    layers = tuple(f"layer_{place}/kernel" for place in range(100))
    readings = ("norm", "mean", "std", "min", "max", "zero_fraction", "nonfinite")
    tables = [history.table(what, readings, layers) for what in ("gradient", "update", "parameter")]
    ratio = history.table("update_to_parameter", ("ratio",), layers)
    row = np.ones((7, 100), np.float32)
    for step in range(20_000):  # past the point from which buckets are merged: memory is at its bound
        for table in tables:
            table.add(step, row)
        ratio.add(step, row[:1])
    assert history.nbytes < 200e6
    for step in range(20_000, 26_000):
        tables[0].add(step, row)
    assert history.nbytes < 200e6
    assert len(history["gradient/norm"]) <= 4096 + 2048 + 2048


def test_not_a_number_survives_a_bucket_and_a_file(tmp_path: Path) -> None:
    history = History(full_steps=8, buckets=4)
    for step in range(200):
        history.add_scalar("train/loss", step, math.nan if step == 3 else 1.0)
    loaded = History.load(history.save(tmp_path / "run.npz"))
    for each in (history, loaded):
        series = each["train/loss"]
        assert not (np.isfinite(series.values).all() and np.isfinite(series.high).all())


def test_an_unknown_reading_names_its_neighbours() -> None:
    history = History()
    history.add_scalar("train/loss", 0, 1.0)
    with pytest.raises(KeyError, match="train/loss"):
        _ = history["train/los"]


def test_json_holds_no_bare_nan() -> None:
    finding = Finding("R", "note", "", 1, "e", "r", evidence={"x": math.nan, "y": [math.inf, np.float32(1.5)]})
    assert '"x": "nan"' in finding.to_json()
    assert '"y": ["inf", 1.5]' in finding.to_json()


def test_the_ways_not_gone_and_the_newest_fork_are_in_the_file(tmp_path: Path) -> None:
    history = History()
    for step in range(20):
        history.add_scalar("train/loss", step, np.nan if step == 15 else 1.0 / (step + 1))
    history.branch(12)
    history.add_scalar("train/loss", 12, 5.0)
    curves = np.arange(6, dtype=np.float32).reshape(2, 3)
    history.add_fork(Fork(3, "learning rate x 2", curves, 2 * curves, difference=0.5, low=-np.inf, high=np.inf))
    again = History.load(history.save(tmp_path / "history.npz"))
    (branch,) = again.branches
    assert branch.step == 12 and branch.loss.steps.tolist() == list(range(12, 20))
    np.testing.assert_array_equal(branch.loss.values, history.branches[0].loss.values)
    assert again.fork is not None and (again.fork.change, again.fork.low) == ("learning rate x 2", -np.inf)
    np.testing.assert_array_equal(again.fork.changed, 2 * curves)
    assert again["train/loss"].values[-1, 0] == 5.0
