"""Each trouble with its sign: the rule that is meant speaks, as gravely as it should."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from nnwidgets.records import Facts, History
from nnwidgets.rules import DEFAULT_RULES, FINAL_RULES

from ._made import LN10, STEPS, TEN, judged, learning, run

READINGS = STEPS // 5
STEP = np.arange(STEPS)
GROWING = np.linspace(0, 1, READINGS)
BINARY = Facts("sigmoid cross-entropy", (("ln 2", float(np.log(2))),), 0.0, 2, 32, 18)
CHANCE = LN10 * np.ones(STEPS)


def noisy(loss: np.ndarray, seed: int, noise: float = 0.04) -> np.ndarray:
    return loss * learning(seed, 1, 1, noise)


def negative(seed: int) -> History:
    return run(0.7 - 0.05 * STEP + 0.2 * np.random.default_rng(seed).normal(size=STEPS), BINARY)


def nothing_to_lose(seed: int) -> History:
    return run(np.zeros(STEPS), gradient=0.0, ratio=0.0, seed=seed)


def nearly_nothing_to_lose(seed: int) -> History:
    return run(np.full(STEPS, 1.19e-7), gradient=1e-9, ratio=1e-9, seed=seed)


def cut_off(seed: int) -> History:
    return run(noisy(CHANCE, seed), gradient=0.0, ratio=0.0, seed=seed)


def dies(seed: int) -> History:
    return run(noisy(CHANCE, seed), gradient=np.where(GROWING > 0.2, 0.0, 0.3), seed=seed)


def partly_cut_off(seed: int) -> History:
    return run(learning(seed), gradient=[0, 0, 0.3, 0.3], seed=seed)


def schedule_in_epochs(seed: int) -> History:
    return run(noisy(CHANCE, seed), ratio=np.where(GROWING > 0.1, 0.0, 1e-3), seed=seed)


def nothing_applied(seed: int) -> History:
    return run(noisy(CHANCE, seed), ratio=0.0, seed=seed)


def stuck(seed: int) -> History:
    return run(noisy(CHANCE, seed), seed=seed)


def stuck_high(seed: int) -> History:
    """Above chance from the start: no named level, and no fall."""
    return run(noisy(3 * CHANCE, seed), seed=seed)


def falls_to_the_mean(seed: int) -> History:
    """A large loss that falls to the variance of the targets, as where only the last bias is trained."""
    facts = Facts("squared error", (("variance of the targets", 8.37),), 0.0, None, 32, 18)
    return run(learning(seed, 60.0, 8.37, 0.1, 8.0), facts, seed=seed)


def diverges(seed: int) -> History:
    return run(noisy(np.exp(STEP / 20), seed), gradient=np.exp(6 * GROWING), seed=seed)


def overflows(seed: int) -> History:
    loss = np.where(STEP < 6, 2.0 * 1e3 ** np.minimum(STEP, 6), np.nan)
    return run(loss, gradient=np.where(GROWING > 0, np.nan, 0.3), seed=seed)


def thrown_up(seed: int) -> History:
    """Adam with a rate of 3: far up, and back to chance."""
    return run(noisy(LN10 * (1 + 500 * np.exp(-STEP / 15) * (STEP > 0)), seed), ratio=0.4, seed=seed)


def lost_again(seed: int) -> History:
    course = np.where(STEP < 60, 0.4 + 1.9 * np.exp(-STEP / 15), 2.0)
    return run(noisy(course, seed, 0.1), ratio=0.4, seed=seed)


def overshoots(seed: int) -> History:
    """Whole batches, a step from one side of the valley to the other."""
    return run(noisy(1.0 + 0.5 * (-1.0) ** STEP, seed, 0.01), replace(TEN, steps_per_epoch=1), seed=seed)


def creeps(seed: int) -> History:
    return run(noisy(LN10 - 1e-4 * STEP, seed, 0.01), ratio=1e-6, seed=seed)


def creeps_with_biases(seed: int) -> History:
    """Biases that begin at 0, as they do in Flax: a step changes them by a large share of what they are."""
    size = np.full((READINGS, 4), 3.0)
    size[:, ::2] = 1e-5 * np.arange(READINGS)[:, None]
    loss = noisy(LN10 - 1e-4 * STEP, seed, 0.01)
    return run(loss, parameter=size, ratio=[9e-3, 4e-6, 9e-3, 4e-6], gradient=[0.03, 0.3, 0.03, 0.3], seed=seed)


def dies_by_and_by(seed: int) -> History:
    """At a rate that is too high, and without a loss that rises."""
    dead = {"hidden/relu": np.minimum(0.2 + 2 * GROWING, 1.0)}
    return run(noisy(CHANCE, seed), seed=seed, activation={"dead": dead})


def dead(seed: int) -> History:
    return run(noisy(CHANCE, seed), seed=seed, activation={"dead": {"hidden/relu": 1.0, "deeper/relu": 0.2}})


def dying(seed: int) -> History:
    loss = noisy(0.9 * CHANCE, seed)
    return run(loss, seed=seed, activation={"dead": {"hidden/relu": np.minimum(0.2 + 2 * GROWING, 0.95)}})


def half_dead(seed: int) -> History:
    return run(learning(seed), seed=seed, activation={"dead": {"hidden/relu": 0.7}})


def dead_on_single_examples(seed: int) -> History:
    facts = replace(TEN, batch_size=1)
    return run(noisy(CHANCE, seed), facts, seed=seed, activation={"dead": {"hidden/relu": 1.0}})


def saturated(seed: int) -> History:
    return run(learning(seed, 3e3, 2.0), seed=seed, activation={"saturated": {"hidden/tanh": 0.89}})


def closed(seed: int) -> History:
    return run(noisy(CHANCE, seed), seed=seed, activation={"saturated": {"hidden/sigmoid": 0.97}})


def vanishes(seed: int) -> History:
    return run(noisy(CHANCE, seed), gradient=[1e-9, 1e-9, 0.3, 0.3], ratio=[1e-11, 1e-11, 1e-3, 1e-3], seed=seed)


def explodes(seed: int) -> History:
    loss = noisy(LN10 * (1 + 2 * STEP / STEPS), seed)
    return run(loss, gradient=np.exp(10 * GROWING), seed=seed)


def leaps(seed: int) -> History:
    gradient = np.where(np.arange(READINGS) % 13 == 12, 3e4, 1.0)
    return run(learning(seed), gradient=gradient, seed=seed)


def half_its_size(seed: int) -> History:
    return run(noisy(CHANCE, seed), ratio=0.5, seed=seed)


def swallowed(seed: int) -> History:
    unchanged = {"hidden/kernel": 0.97, "out/kernel": 0.95, "norm/scale": 1.0}
    return run(noisy(CHANCE, seed), seed=seed, update={"unchanged": unchanged})


def penalty(seed: int) -> History:
    part = 200 * np.exp(-STEP / 60)
    return run(part + noisy(CHANCE, seed), seed=seed, train={"penalty": part})


def by_heart(seed: int) -> History:
    return run(learning(seed, end=0.05), seed=seed, validation={"loss": {100: 2.9, 200: 4.1}})


def rises_again(seed: int) -> History:
    validation = {"loss": {40: 1.0, 80: 0.7, 120: 0.8, 160: 1.0, 200: 1.2}}
    return run(learning(seed, end=0.02), seed=seed, validation=validation)


def better_in_validation(seed: int) -> History:
    return run(learning(seed, end=1.9), seed=seed, validation={"loss": {100: 0.7, 200: 0.5}})


def lagging_averages(seed: int) -> History:
    return run(learning(seed), seed=seed, validation={"loss": {50: 40.0, 100: 9.0, 150: 3.0}})


def single_and_stuck(seed: int) -> History:
    return run(noisy(CHANCE, seed, 0.8), replace(TEN, batch_size=1), seed=seed)


def four_large_batches(seed: int) -> History:
    loss = noisy(0.5 + 1.8 * np.exp(-STEP / 120), seed, 0.002)
    return run(loss, replace(TEN, batch_size=4096, steps_per_epoch=4), seed=seed)


def ends_early(seed: int) -> History:
    return run(learning(seed, end=0.2, speed=90.0), seed=seed)


FAULTY: dict[Callable[[int], History], tuple[str, str]] = {
    negative: ("NegativeLoss", "problem"),
    nothing_to_lose: ("ZeroLoss", "problem"),
    nearly_nothing_to_lose: ("ZeroLoss", "problem"),
    cut_off: ("ZeroGradient", "problem"),
    dies: ("ZeroGradient", "problem"),
    partly_cut_off: ("ZeroGradient", "warning"),
    schedule_in_epochs: ("NothingChanges", "problem"),
    nothing_applied: ("NothingChanges", "problem"),
    stuck: ("Plateau", "problem"),
    stuck_high: ("NothingLearned", "problem"),
    falls_to_the_mean: ("Plateau", "problem"),
    diverges: ("Divergence", "problem"),
    overflows: ("Divergence", "problem"),
    thrown_up: ("LearningRateTooHigh", "warning"),
    lost_again: ("LearningRateTooHigh", "warning"),
    overshoots: ("Oscillation", "warning"),
    creeps: ("LearningRateTooLow", "warning"),
    creeps_with_biases: ("LearningRateTooLow", "warning"),
    dies_by_and_by: ("LearningRateTooHigh", "warning"),
    dead: ("DeadUnits", "problem"),
    dying: ("DeadUnits", "problem"),
    half_dead: ("DeadUnits", "warning"),
    dead_on_single_examples: ("DeadUnits", "problem"),
    saturated: ("SaturatedUnits", "problem"),
    closed: ("SaturatedUnits", "problem"),
    vanishes: ("VanishingGradient", "problem"),
    explodes: ("ExplodingGradient", "problem"),
    leaps: ("ExplodingGradient", "warning"),
    half_its_size: ("UpdateRatio", "warning"),
    swallowed: ("SwallowedUpdates", "problem"),
    penalty: ("PenaltyDominates", "problem"),
    by_heart: ("Overfitting", "problem"),
    rises_again: ("Overfitting", "warning"),
    better_in_validation: ("ValidationBetter", "warning"),
    lagging_averages: ("BatchNormLag", "warning"),
    single_and_stuck: ("BatchTooSmall", "warning"),
    four_large_batches: ("BatchTooLarge", "note"),
    ends_early: ("StillImproving", "note"),
}


@pytest.mark.parametrize("make", FAULTY, ids=lambda make: make.__name__)
def test_the_trouble_is_found(make: Callable[[int], History]) -> None:
    rule, severity = FAULTY[make]
    for seed in range(5):
        found = judged(make(seed), DEFAULT_RULES + FINAL_RULES)
        assert rule in found, (seed, set(found))
        assert found[rule].severity == severity, seed


# in files of their own
TESTED_BY_THEMSELVES = {
    "NonFinite", "WrongGradient", "Recompiles", "GradientMismatch", "StaleParameters", "MisalignedLabels",
    "SlowInput",
}  # fmt: skip


def test_every_rule_has_its_trouble() -> None:
    named = {rule for rule, _ in FAULTY.values()} | TESTED_BY_THEMSELVES
    assert {type(rule).__name__ for rule in DEFAULT_RULES + FINAL_RULES} == named


@pytest.mark.parametrize("make", FAULTY, ids=lambda make: make.__name__)
def test_a_finding_can_be_read_and_written(make: Callable[[int], History]) -> None:
    for found in judged(make(0), DEFAULT_RULES + FINAL_RULES).values():
        assert found.to_json()
        assert found.explanation.endswith(".") and found.remedy.endswith((".", "?"))
        assert 0 <= found.step <= STEPS


def test_where_it_is() -> None:
    assert judged(dead(0), DEFAULT_RULES)["DeadUnits"].where == "hidden/relu"
    assert judged(vanishes(0), DEFAULT_RULES)["VanishingGradient"].where.startswith("hidden/")
    assert judged(partly_cut_off(0), DEFAULT_RULES)["ZeroGradient"].where == "hidden/bias"
    assert judged(dies(0), DEFAULT_RULES)["ZeroGradient"].step == pytest.approx(0.2 * STEPS, abs=10)
    assert judged(schedule_in_epochs(0), DEFAULT_RULES)["NothingChanges"].step == pytest.approx(0.1 * STEPS, abs=10)
    assert judged(negative(0), DEFAULT_RULES)["NegativeLoss"].step == pytest.approx(14, abs=6)


def test_a_rate_far_too_low_is_no_other_trouble_in_red() -> None:
    """What grew from 0 is no measure, neither of the way that was gone nor of the gradients of the rest."""
    for seed in range(5):
        found = judged(creeps_with_biases(seed), DEFAULT_RULES + FINAL_RULES)
        assert not [each for each in found.values() if each.severity == "problem"]
        assert found["LearningRateTooLow"].change == ("multiplier", 1000.0)


def test_a_loss_that_is_not_finite_is_left_to_non_finite() -> None:
    history = run(np.full(STEPS, np.nan), gradient=np.nan, ratio=np.nan, parameter=np.nan)
    assert set(judged(history, DEFAULT_RULES)) == {"NonFinite"}
