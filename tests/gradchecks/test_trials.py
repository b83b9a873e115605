"""Two thousand checks of four networks: no false alarm, and no fault missed that the report says it would see."""

from __future__ import annotations

import pytest

from ._planted import KINDS, LAYERS
from ._trials import STATES, Bench, Counts, run_trials

# 28 seeds, two states, nine kinds, four networks: 2016 trials. Every run makes those of four seeds, 288: each kind in each
# state of each network. The rest, marked long, changes no program, only the numbers that go in.
SEEDS = range(28)
FEW, REST = SEEDS[:4], SEEDS[4:]
PARAMS = [
    *(pytest.param((name, FEW), id=name) for name in LAYERS),
    *(pytest.param((name, REST), id=f"{name}, the rest", marks=pytest.mark.long) for name in LAYERS),
]


@pytest.fixture(scope="module", params=PARAMS)
def counts(request: pytest.FixtureRequest) -> dict[tuple[str, str, str], Counts]:
    name, seeds = request.param
    return run_trials(Bench(name), seeds)


def told(counts: dict[tuple[str, str, str], Counts]) -> str:
    return "\n".join(line for each in counts.values() for line in each.told)


def test_all_trials_were_made(counts: dict[tuple[str, str, str], Counts], request: pytest.FixtureRequest) -> None:
    assert {key[1:] for key in counts} == {(state, kind) for state in STATES for kind in KINDS}
    seeds = FEW if "the rest" not in request.node.name else REST
    assert {each.trials for each in counts.values()} == {len(seeds)}
    assert len(SEEDS) * len(STATES) * len(KINDS) * len(LAYERS) >= 2000


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
