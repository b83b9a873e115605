"""A notebook that keeps the state of its widgets stays small, however long the run and large the network."""

from __future__ import annotations

import json

import numpy as np
import pytest
from ipywidgets.embed import dependency_state

from nnwidgets.panels import Dashboard
from nnwidgets.records import GradientReport, Histogram, History, Status, TensorCheck

STEPS, MOST = range(0, 100_000, 10), 500_000


def long_run(count: int) -> History:
    """10,000 readings of 100,000 steps, for so many tensors."""
    layers = tuple(f"block_{i // 2}/{'kernel' if i % 2 else 'bias'}" for i in range(count))
    history, random = History(), np.random.default_rng(0)
    norms = history.table("gradient", ("norm", "mean"), layers)
    updates = history.table("update", ("norm", "ratio"), layers)
    for step in STEPS:
        values = np.exp(0.1 * random.normal(size=(2, count))).astype(np.float32)
        norms.add(step, values)
        updates.add(step, 1e-3 * values)
        history.add_scalar("train/loss", step, 0.1 + float(np.exp(-step / 50)))
        if step % 100 == 0:
            history.add_scalar("validation/loss", step, 0.3)
            history.add("activation", step, layers[::2], {"dead": random.random(len(layers[::2]))})
    counts, edge = np.ones((count, 30), np.float32), np.ones(count, np.float32)
    for kind in ("gradient", "activation"):
        history.add_histogram(Histogram(f"{kind}/histogram", STEPS[-1], layers, -edge, edge, counts))
    checks = [TensorCheck(path, (64, 64), "ok", error=1e-8, own_error=1e-7, sensitivity=1e-6) for path in layers]
    history.add_gradient_report(GradientReport(tuple(checks)))
    return history


@pytest.mark.parametrize("count", [8, 40, 80, 300])
def test_a_long_run_is_kept_in_half_a_megabyte(count: int) -> None:
    dashboard = Dashboard(long_run(count), lambda command: None)
    widget = dashboard.widget
    dashboard.refresh(Status("finished", 100_000), (), (), force=True)
    dashboard._draw(frame=1)
    state = dependency_state([widget], drop_defaults=True)
    # what has no default in the browser is kept by JupyterLab: the scripts
    whole = dependency_state([widget], drop_defaults=False).values()
    scripts = sum(len(json.dumps(each["state"].get(name, ""))) for each in whole for name in ("_esm", "_css"))
    assert 150_000 < len(json.dumps(state)) + scripts < MOST
