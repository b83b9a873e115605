"""Two thousand checks of four networks: no false alarm, and no fault missed that the report says it would see."""

from __future__ import annotations

import pytest

from ._planted import KINDS, LAYERS
from ._trials import STATES, Bench, Counts, run_trials

# 28 seeds, two states, nine kinds, four networks: 2016 trials
SEEDS = range(28)


@pytest.fixture(scope="module", params=LAYERS)
def counts(request: pytest.FixtureRequest) -> dict[tuple[str, str, str], Counts]:
    return run_trials(Bench(request.param), SEEDS)


def told(counts: dict[tuple[str, str, str], Counts]) -> str:
    return "\n".join(line for each in counts.values() for line in each.told)


def test_all_trials_were_made(counts: dict[tuple[str, str, str], Counts]) -> None:
    assert {key[1:] for key in counts} == {(state, kind) for state in STATES for kind in KINDS}
    assert sum(each.trials for each in counts.values()) * len(LAYERS) >= 2000


def test_no_false_alarm(counts: dict[tuple[str, str, str], Counts]) -> None:
    assert not sum(each.false_alarms for each in counts.values()), told(counts)


def test_no_fault_is_missed_that_exceeds_the_stated_sensitivity(counts: dict[tuple[str, str, str], Counts]) -> None:
    assert not sum(each.missed for each in counts.values()), told(counts)


def test_every_fault_found_has_its_cause(counts: dict[tuple[str, str, str], Counts]) -> None:
    """The rule that is wrong by name, or the stop_gradient: the very one that was planted."""
    unnamed = {key: each.found - each.named for key, each in counts.items() if each.named < each.found}
    assert not unnamed


def test_gross_faults_are_all_found(counts: dict[tuple[str, str, str], Counts]) -> None:
    """Whatever the sensitivity says: sign, factor, transposition, a term that is missing, a rule that is wrong."""
    gross = [each for (_, _, kind), each in counts.items() if not kind.startswith(("none", "1 %"))]
    assert sum(each.found for each in gross) == sum(each.trials for each in gross)
