"""The accounts of watching: what is booked, what is saved up, and that the budget is kept."""

from __future__ import annotations

import math
from types import SimpleNamespace

import pytest

from nnwidgets.train import _governor
from nnwidgets.train._governor import FLOOR_SECONDS, Governor


@pytest.fixture(autouse=True)
def no_time_passes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its own bookkeeping costs nothing here, so that the numbers are exact on any machine."""
    monkeypatch.setattr(_governor, "time", SimpleNamespace(perf_counter=lambda: 0.0))


def watched(
    budget: float, step: float, looks: dict[str, float], steps: int = 2000, overhead: float = 0.0
) -> tuple[Governor, dict[str, int]]:
    """A run whose steps and looks always cost the same, and how often each kind looked."""
    governor, made = Governor(budget), dict.fromkeys(looks, 0)
    for kind in looks:
        governor.join(kind)
    for _ in range(steps):
        governor.begin_step()
        due = [kind for kind in looks if governor.due(kind)]
        governor.charge_all(overhead)
        for kind in due:
            governor.charge(kind, looks[kind])
            made[kind] += 1
        governor.end_step(step + overhead + sum(looks[kind] for kind in due))
    return governor, made


@pytest.mark.parametrize("budget", [0.01, 0.05, 0.3])
@pytest.mark.parametrize("step", [0.0002, 0.02, 0.5])
def test_the_budget_is_kept_and_used(budget: float, step: float) -> None:
    looks = {"statistics": 0.0004, "histograms": 0.002, "activations": 0.05}
    governor, made = watched(budget, step, looks)
    allowed = max(budget * step, FLOOR_SECONDS) * governor.steps
    assert governor.kept
    assert governor.spent_seconds <= allowed
    assert made["statistics"] >= 1999 or governor.spent_seconds >= 0.75 * allowed
    assert made["statistics"] >= made["histograms"] >= made["activations"] >= 1
    assert governor.run_seconds == pytest.approx(step * governor.steps, rel=1e-2)


def test_it_looks_about_every_kth_step_as_it_says() -> None:
    governor, made = watched(0.05, 0.02, {"statistics": 0.01})
    # 9 tenths of 5 % of 20 ms pay for 10 ms at every eleventh step
    assert governor.every("statistics") == 11
    assert made["statistics"] == pytest.approx(2000 / 11, rel=0.05)


def test_what_is_cheap_is_done_at_every_step() -> None:
    governor, made = watched(0.05, 0.1, {"statistics": 0.001, "activations": 0.0005})
    assert (governor.every("statistics"), made["statistics"]) == (1, 1999)  # all but the one after compiling
    assert governor.watching_share == pytest.approx(0.015, rel=0.05)


def test_bookkeeping_comes_out_of_the_same_purse() -> None:
    looks = {"statistics": 0.001}
    (_, with_it), (_, without) = watched(0.0, 0.001, looks), watched(0.05, 0.001, looks)
    assert with_it["statistics"] == 0
    governor, fewer = watched(0.05, 0.001, looks, overhead=0.0002)
    assert governor.kept
    assert 0 < fewer["statistics"] < without["statistics"] / 2
    starved, none = watched(0.05, 0.001, looks, overhead=0.001)
    assert none["statistics"] == 1
    assert not starved.kept


def test_a_step_whose_allowance_is_used_up_pays_nothing_in() -> None:
    governor = Governor(0.05)
    governor.join("statistics")
    governor.end_step(60.0)
    governor.charge_all(FLOOR_SECONDS)
    governor.end_step(0.001)
    assert governor._bank["statistics"] == 0.0
    governor.end_step(0.001)
    assert 0.0 < governor._bank["statistics"] < FLOOR_SECONDS


def test_compiling_pays_for_no_looks() -> None:
    governor = Governor(0.05)
    governor.join("statistics")
    governor.charge("statistics", 3.0)
    governor.end_step(60.0)
    assert (governor.run_seconds, governor.spent_seconds, governor.steps) == (0.0, pytest.approx(0.0, abs=1e-3), 0)
    governor.set_aside(40.0)
    governor.end_step(40.1)
    assert governor.run_seconds == pytest.approx(0.1)
    assert not governor.due("statistics")


def test_the_first_look_is_free_and_what_compiling_taught_is_remembered() -> None:
    governor = Governor(0.05)
    governor.join("activations")
    governor.learn("activations", 0.1)
    governor.end_step(60.0)
    assert governor.due("activations")
    governor.charge("activations", 0.9)
    assert (governor.cost("activations"), governor.spent_seconds) == (0.5, 0.0)
    assert not governor.due("activations")


def test_an_interruption_is_not_held_against_watching() -> None:
    governor, _ = watched(0.05, 0.02, {"statistics": 0.01})
    before = governor.spent_seconds
    governor.charge("statistics", 3600.0)
    assert governor.spent_seconds - before == pytest.approx(0.02)
    governor.end_step(3600.02)
    assert governor.run_seconds == pytest.approx(0.02 * governor.steps, rel=1e-2)


def test_a_kind_that_leaves_leaves_its_debt() -> None:
    governor, _ = watched(0.05, 0.1, {"redraw": 0.01, "statistics": 0.001})
    for _ in range(3):
        governor.charge("redraw", 0.02, measured=False)
    governor.leave("redraw")
    governor.end_step(0.16)
    assert governor._overhead > 0.02
    assert governor.every("redraw") == 0


def test_off_and_without_limit() -> None:
    off, made = watched(0.0, 0.01, {"statistics": 0.001}, steps=50)
    assert (made["statistics"], off.every("statistics"), off.kept, off.allowance) == (0, 0, True, 0.0)
    unlimited, made = watched(math.inf, 0.01, {"statistics": 5.0}, steps=50)
    assert (made["statistics"], unlimited.every("statistics"), unlimited.kept) == (50, 1, True)


@pytest.mark.parametrize("budget", [-0.1, math.nan])
def test_a_budget_is_a_share(budget: float) -> None:
    with pytest.raises(ValueError, match=r"such as 0.05 for 5 %, 0 for off, or math.inf; got"):
        Governor(budget)


def test_what_a_look_takes_from_the_steps_beside_it_is_booked_and_no_time_of_the_runs_own() -> None:
    """A redraw of 1 ms whose drawing makes the next step 19 ms longer."""
    governor, redraws, longer = Governor(0.05), 0, 0.0
    governor.join("redraw")
    for _ in range(4000):
        governor.begin_step()
        extra, longer, due = longer, 0.0, governor.due("redraw")
        if due:
            governor.charge("redraw", 0.001, beside=0.019)
            redraws, longer = redraws + 1, 0.019
        governor.end_step(0.01 + extra + 0.001 * due)
    assert governor.cost("redraw") == pytest.approx(0.02)
    # 9 tenths of 5 % of 10 ms pay for 20 ms at about every 45th step
    assert redraws == pytest.approx(4000 / 45, rel=0.1)
    assert governor.run_seconds == pytest.approx(0.01 * 4000, rel=0.01)
    assert governor.watching_share == pytest.approx(0.045, rel=0.1) and governor.kept


def test_the_redraw_has_what_the_other_kinds_do_not_need() -> None:
    """Statistics could have three tenths of the allowance, 1.35 ms a step, and take 0.1 ms of it."""
    governor, made = watched(0.05, 0.1, {"redraw": 0.03, "statistics": 0.0001})
    assert made["statistics"] == 1999
    assert made["redraw"] == pytest.approx(2000 * (0.0045 - 0.0001) / 0.03, rel=0.05)
    assert governor.kept
