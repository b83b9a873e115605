"""No rule is red on a run that is as it should be, whatever its noise."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from nnwidgets.records import Facts, History
from nnwidgets.rules import DEFAULT_RULES, FINAL_RULES

from ._made import LN10, STEPS, TEN, judged, learning, red, run

READINGS = STEPS // 5
STEP = np.arange(STEPS)
GROWING = np.linspace(0, 1, READINGS)
REGRESSION = Facts("squared error", (("variance of the targets", 1.0),), 0.0, None, 32, 18)


def quick(seed: int) -> History:
    return run(learning(seed, speed=3.0), seed=seed)


def slow(seed: int) -> History:
    return run(learning(seed, end=1.8, speed=150.0), seed=seed)


def single_examples(seed: int) -> History:
    """Batches of one: the loss is spread as an exponential distribution, and most ReLU units are silent on an example."""
    rng = np.random.default_rng(seed)
    dead = {"hidden/relu": rng.uniform(0.4, 0.8, READINGS)}
    loss = learning(seed, end=0.8, noise=0.9)
    return run(loss, replace(TEN, batch_size=1, steps_per_epoch=600), seed=seed, activation={"dead": dead})


def regression(seed: int) -> History:
    loss = learning(seed, 1.3, 0.02, 0.3)
    return run(loss, REGRESSION, seed=seed, activation={"saturated": {"hidden/tanh": 0.4 * GROWING}})


def whole_batch(seed: int) -> History:
    """No noise at all."""
    return run(0.05 + np.exp(-STEP / (30 + 10 * seed)), replace(REGRESSION, steps_per_epoch=1), seed=seed)


def large_loss(seed: int) -> History:
    return run(
        learning(seed, 5e4, 2e3, 0.4), replace(REGRESSION, levels=(("variance of the targets", 4e4),)), seed=seed
    )


def warm_up(seed: int) -> History:
    """Chance for a third of the run, while the learning rate still rises from 0."""
    loss = np.where(STEP < 70, LN10, 0.4 + (LN10 - 0.4) * np.exp(-(STEP - 70) / 40)) * learning(seed, 1, 1, 0.05)
    return run(loss, ratio=1e-3 * GROWING, seed=seed)


def long_warm_up(seed: int) -> History:
    """All of what was seen is warm-up, and nothing is learned yet."""
    return run(LN10 * learning(seed, 1, 1, 0.05), ratio=1e-3 * GROWING, seed=seed)


def trained_before(seed: int) -> History:
    return run(learning(seed, 0.08, 0.08, 0.3), seed=seed)


def late(seed: int) -> History:
    """It leaves the level of chance in the middle of the run only, as deep networks and attention do."""
    return run(0.2 + (LN10 - 0.2) / (1 + np.exp((STEP - 110) / 15)) * learning(seed, 1, 1, 0.1), seed=seed)


def bump(seed: int) -> History:
    return run(learning(seed) * (1 + 0.7 * np.exp(-((STEP - 6) ** 2) / 8)), seed=seed)


def spikes(seed: int) -> History:
    rng = np.random.default_rng(seed)
    return run(learning(seed) * np.where(rng.random(STEPS) < 0.02, 5.0, 1.0), seed=seed)


def two_batches(seed: int) -> History:
    """An epoch of two batches, one harder than the other: the loss alternates by itself."""
    return run(learning(seed, noise=0.02) * np.where(STEP % 2, 1.5, 0.5), replace(TEN, steps_per_epoch=2), seed=seed)


def accumulating(seed: int) -> History:
    """optax.MultiSteps: an update comes every fifth step, and never on one that was read."""
    return run(learning(seed), ratio=0.0, parameter=3 + 0.2 * GROWING, seed=seed)


def frozen(seed: int) -> History:
    """A part that is frozen on purpose."""
    return run(learning(seed), gradient=[0, 0, 0.2, 0.3], ratio=[0, 0, 1e-3, 1e-3], seed=seed)


def annealed(seed: int) -> History:
    """A cosine schedule that ends with the run."""
    return run(learning(seed), ratio=1e-2 * (1 + np.cos(np.pi * GROWING)), seed=seed)


def bias_before_norm(seed: int) -> History:
    """The gradient of a bias before a normalization is rounding; the bias is 0, or hardly moves."""
    return run(learning(seed), gradient=[1e-9, 0.3, 0.1, 0.3], ratio=[1e-12, 1e-3, 1e-3, 1e-3], seed=seed)


def sparse(seed: int) -> History:
    rng = np.random.default_rng(seed)
    dead = {"hidden/relu": np.linspace(0.1, 0.45, READINGS), "deeper/relu": rng.uniform(0.2, 0.3, READINGS)}
    return run(learning(seed), seed=seed, activation={"dead": dead})


def certain_head(seed: int) -> History:
    """A classifier that has become certain: the sigmoid of its outputs is flat."""
    facts = replace(TEN, loss="sigmoid cross-entropy", levels=(("ln 2", float(np.log(2))),), classes=2)
    saturated = {"hidden/tanh": 0.6 * GROWING, "out/sigmoid": np.minimum(2 * GROWING, 0.97)}
    return run(learning(seed, 0.7, 0.01), facts, seed=seed, activation={"saturated": saturated})


def open_gates(seed: int) -> History:
    """Gates that are open from the start on purpose."""
    return run(learning(seed), seed=seed, activation={"saturated": {"cell/sigmoid": 0.99}})


def dropout(seed: int) -> History:
    loss = learning(seed, end=0.6)
    return run(loss, seed=seed, validation={"loss": {50: 0.9, 100: 0.55, 150: 0.45, 200: 0.4}})


def overfitted(seed: int) -> History:
    """It does fit the training data better than others, as everything does."""
    loss = learning(seed, end=0.05)
    return run(loss, seed=seed, validation={"loss": {50: 0.8, 100: 0.6, 150: 0.62, 200: 0.66}})


def sure_and_wrong(seed: int) -> History:
    """The loss of a few validation examples is huge, but most of them are right."""
    validation = {"loss": {100: 2.5, 200: 3.4}, "accuracy": {100: 0.7, 200: 0.72}}
    return run(learning(seed, end=0.05), seed=seed, validation=validation)


def hinge(seed: int) -> History:
    """All examples are on the right side of the margin: loss and gradient are 0."""
    loss = np.maximum(1 - STEP / 60, 0) * learning(seed, 1, 1, 0.1)
    return run(
        loss, Facts(least=0.0), gradient=np.where(GROWING > 0.35, 0, 0.3), ratio=np.where(GROWING > 0.35, 0, 1e-3)
    )


def penalized(seed: int) -> History:
    """In the end the penalty is most of what is left."""
    penalty = 0.2 * np.exp(-STEP / 400)
    return run(learning(seed, end=0.02) + penalty, seed=seed, train={"penalty": penalty})


def half_precision(seed: int) -> History:
    """bfloat16 parameters: a normalization's scale near 1 stands still, most of the others move."""
    unchanged = {"hidden/kernel": 0.3, "out/kernel": 0.2, "norm/scale": 1.0, "norm/bias": 0.1}
    return run(learning(seed), seed=seed, update={"unchanged": unchanged})


def leaving_a_flat_place(seed: int) -> History:
    """The gradient grows a thousandfold while the loss falls."""
    return run(learning(seed, speed=80), gradient=1e-3 * np.exp(np.minimum(7 * GROWING * 2, 7)), seed=seed)


def likelihood(seed: int) -> History:
    """A density's negative logarithm may be below 0."""
    return run(3 * np.exp(-STEP / 50) - 2 + 0.2 * np.random.default_rng(seed).normal(size=STEPS), Facts(), seed=seed)


def converged(seed: int) -> History:
    """The gradient falls to a ten-millionth; in the end a single example makes it leap, to a thousandth of the first one."""
    gradient = 10 ** (-7 * np.minimum(2 * GROWING, 1))
    gradient[[30, 35]] = 1e-3
    return run(learning(seed, end=1e-4, speed=10), gradient=gradient, seed=seed)


HEALTHY = (
    quick, slow, single_examples, regression, whole_batch, large_loss, warm_up, long_warm_up, trained_before, late, bump,
    spikes, two_batches, accumulating, frozen, annealed, bias_before_norm, sparse, certain_head, open_gates, dropout,
    overfitted, sure_and_wrong, hinge, penalized, half_precision, leaving_a_flat_place, likelihood,
    converged,
)  # fmt: skip
# what they may be told, as no more than a warning
MAY_BE_TOLD = {"frozen": {"ZeroGradient"}, "open_gates": {"SaturatedUnits"}, "trained_before": {"NothingLearned"}}
MAY_BE_TOLD |= {"long_warm_up": {"NothingLearned", "Plateau"}, "sure_and_wrong": {"Overfitting"}}


@pytest.mark.parametrize("make", HEALTHY, ids=lambda make: make.__name__)
def test_a_healthy_run_is_told_nothing(make: Callable[[int], History]) -> None:
    for seed in range(10):
        history = make(seed)
        assert red(history, DEFAULT_RULES + FINAL_RULES) == set(), seed
        told = {name for name, found in judged(history, DEFAULT_RULES).items() if found.severity != "note"}
        assert told <= MAY_BE_TOLD.get(make.__name__, set()), (seed, told)


def test_what_was_hardly_read_is_not_judged() -> None:
    for rule in DEFAULT_RULES + FINAL_RULES:
        assert not judged(History(), [rule])
        assert not judged(run(learning(0)[:2]), [rule])
