"""Fair turns and honest intervals."""

from __future__ import annotations

import json
import math
from typing import Any

import numpy as np
import pytest

from tests.benchmarks import _measure
from tests.benchmarks._measure import Row, interval, paired, report, take_turns


@pytest.mark.parametrize(
    ("values", "ends"),
    [
        # one coin of six shows 1/64 < 2.5 %, so the extremes do; of five 1/32 is too much
        (range(6), (0, 5)),
        (range(5), (-math.inf, math.inf)),
        # binomial(9, 1/2): P(<= 1) = 2.0 %, P(<= 2) = 9.0 %
        (range(9), (1, 7)),
        (range(12), (2, 9)),
    ],
)
def test_the_interval_is_the_sign_tests(values: Any, ends: Any) -> None:
    assert interval(list(values)[::-1]) == ends


def test_the_interval_holds_the_median_as_often_as_it_says() -> None:
    random = np.random.default_rng(0)
    held = [low <= 0.0 <= high for low, high in (interval(random.standard_cauchy(12)) for _ in range(1000))]
    assert 0.94 < np.mean(held) < 0.99


def test_ratios_are_taken_within_a_round() -> None:
    """A machine that is ten times slower in one round changes nothing."""
    found = {"bare": [1.0, 10.0, 1.0, 2.0, 1.0, 1.0], "watched": [2.0, 20.0, 2.0, 4.0, 2.0, 2.0]}
    assert paired(found, "watched", "bare") == (2.0, 2.0, 2.0)


def test_turns_alternate_and_take_equal_time(monkeypatch: pytest.MonkeyPatch) -> None:
    order: list[tuple[str, int]] = []
    seconds, now = {"quick": 0.001, "slow": 0.004}, [0.0]
    monkeypatch.setattr(_measure.time, "perf_counter", lambda: now[0])

    def turn(name: str) -> Any:
        def run(steps: int) -> None:
            order.append((name, steps))
            now[0] += steps * seconds[name]

        return run

    found = take_turns({name: turn(name) for name in seconds}, seconds=0.1, rounds=2, most=1000, base="quick")
    assert order[-4:] == [("slow", 12), ("quick", 50), ("quick", 50), ("slow", 12)]
    assert found == {"quick": pytest.approx([0.001] * 2), "slow": pytest.approx([0.004] * 2)}


def test_a_missed_goal_is_exit_code_1(capsys: pytest.CaptureFixture[str]) -> None:
    kept, missed, free = Row("a", 1.0, 2.0, True), Row("b", 3.0, 2.0, False), Row("c", 3.0, low=-math.inf, high=4.0)
    assert report([kept, free], as_json=False, seconds=3) == 0
    assert "yes" in capsys.readouterr().out
    assert report([kept, missed, free], as_json=True, seconds=3) == 1
    told = json.loads(capsys.readouterr().out)
    assert (told["seconds"], [row["met"] for row in told["rows"]]) == (3, [True, False, None])
    assert told["rows"][2]["low"] == "-inf"
