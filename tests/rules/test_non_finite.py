"""NonFinite speaks of NaN and infinity, and of nothing else."""

from __future__ import annotations

import math

import pytest

from nnwidgets.records import History
from nnwidgets.rules import NonFinite


def history(*losses: float) -> History:
    made = History()
    for step, loss in enumerate(losses):
        made.add_scalar("train/loss", step, loss)
    return made


def test_silent_on_nothing_and_on_health() -> None:
    assert NonFinite().check(History()) is None
    assert NonFinite().check(history(3.0, 2.0, 1e30)) is None


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
def test_names_the_first_step(bad: float) -> None:
    finding = NonFinite().check(history(1.0, 2.0, bad, bad))
    assert finding is not None
    assert finding.step == 2
    assert finding.to_dict()["evidence"]["train/loss"] in ("nan", "inf", "-inf")


def test_names_the_first_layer() -> None:
    made = history(1.0, math.nan)
    made.add("gradient", 1, ("a", "b"), {"nonfinite": [0, 4]})
    finding = NonFinite().check(made)
    assert finding is not None
    assert finding.where == "b"


def test_a_gradient_alone_is_enough() -> None:
    made = history(1.0, 1.0, 1.0)
    made.add("gradient", 0, ("a", "b"), {"nonfinite": [0, 0]})
    assert NonFinite().check(made) is None
    made.add("gradient", 1, ("a", "b"), {"nonfinite": [2, 0]})
    made.add("gradient", 2, ("a", "b"), {"nonfinite": [0, 1]})
    finding = NonFinite().check(made)
    assert finding is not None
    assert (finding.step, finding.where, finding.evidence) == (1, "a", {"gradient/nonfinite a": 2.0})
