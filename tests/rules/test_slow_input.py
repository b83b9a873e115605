"""A run that waits for its data is told from one whose data is made beside a busy device."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

import jax.numpy as jnp
import numpy as np
import optax
import pytest

import nnwidgets as nnw
from nnwidgets.records import History, UnknownReading
from nnwidgets.rules import SlowInput

BATCH = np.ones((4, 3), np.float32)


def read(data: Sequence[float], device: Sequence[float], step: Sequence[float]) -> History:
    """Milliseconds."""
    made = History()
    for name, values in {"data": data, "device": device, "step": step}.items():
        for k, value in enumerate(values):
            made.add_scalar(f"run/{name}", 20 * (k + 1), 1e-3 * value)
    return made


def test_half_of_the_step_for_data_is_told() -> None:
    found = SlowInput().check(read([9, 8, 8, 8], [0] * 4, [90, 12, 12, 12]))
    assert found is not None and found.severity == "warning"
    assert found.evidence["share"] == pytest.approx(8 / 12)
    assert found.explanation.startswith("67 % of each step") and "8 of 12 ms" in found.explanation


@pytest.mark.parametrize(
    ("data", "device", "step"),
    [
        ([4] * 4, [0] * 4, [12] * 4),
        # the device is busy meanwhile
        ([8] * 4, [3] * 4, [12] * 4),
        # nobody would notice
        ([0.4] * 4, [0] * 4, [0.5] * 4),
        # once, at the begin of an epoch
        ([1, 1, 50, 1], [0] * 4, [12, 12, 60, 12]),
    ],
)
def test_what_does_not_slow_the_run_down_is_not_told(data: Any, device: Any, step: Any) -> None:
    assert SlowInput().check(read(data, device, step)) is None


def test_it_waits_for_its_readings() -> None:
    with pytest.raises(UnknownReading):
        SlowInput().check(History())
    with pytest.raises(UnknownReading):
        SlowInput().check(read([8] * 3, [0] * 3, [12] * 3))


@pytest.mark.parametrize("slow", [False, True])
def test_in_a_session(slow: bool) -> None:
    def batches(step: int) -> Any:
        if slow:
            time.sleep(4e-3)
        return BATCH

    objective = nnw.Objective(lambda params, batch: jnp.mean((batch @ params["w"]) ** 2), {"w": jnp.ones(3)})
    session = nnw.Session(objective, optax.sgd(1e-3), batches, track=False).run(100)
    assert len(session.history["run/data"]) == 5
    assert ("SlowInput" in {each.rule for each in session.findings}) == slow
