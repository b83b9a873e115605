"""Rules judge long runs, too: none compares all pairs of readings."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest

from nnwidgets.records import History, UnknownReading
from nnwidgets.rules import DEFAULT_RULES, FINAL_RULES
from nnwidgets.rules._course import CERTAIN, trend

STEPS = 20_000


@pytest.fixture(scope="module")
def grown() -> History:
    """Losses and gradients that rise a thousandfold, read at each of 20,000 steps."""
    history, random = History(), np.random.default_rng(0)
    table = history.table("gradient", ("norm",), ("in/w", "out/w"))
    for step in range(STEPS):
        value = 10 ** (3 * step / STEPS) * np.exp(0.1 * random.normal())
        history.add_scalar("train/loss", step, value)
        table.add(step, np.full((1, 2), value, np.float32))
    return history


@pytest.mark.parametrize("rule", DEFAULT_RULES + FINAL_RULES, ids=lambda rule: type(rule).__name__)
def test_memory_is_that_of_the_readings(rule: object, grown: History) -> None:
    tracemalloc.start()
    try:
        rule.check(grown)  # type: ignore[attr-defined]
    except UnknownReading:
        pass
    finally:
        _, most = tracemalloc.get_traced_memory()
        tracemalloc.stop()
    assert most < 20e6, f"{most / 1e6:.0f} MB"


def test_a_trend_of_many_values_is_still_seen() -> None:
    random = np.random.default_rng(0)
    noise = random.normal(size=50_000)
    assert abs(trend(noise)) < CERTAIN + 1
    assert trend(noise + np.linspace(0, 0.3, 50_000)) > CERTAIN
    assert trend(noise - np.linspace(0, 0.3, 50_000)) < -CERTAIN
