from __future__ import annotations

import optax
import pytest

from nnwidgets.lint import ScheduleHorizon

from ._data_and_optimizer import classifier, only, silent


@pytest.mark.parametrize("make", [optax.adam, optax.sgd, optax.inject_hyperparams(optax.adamw)])
def test_over_after_thirty_steps_is_red(make: object) -> None:
    finding = only(ScheduleHorizon().check(classifier(make(optax.linear_schedule(0.1, 0.0, 30)))))
    assert finding.severity == "problem" and "after 30 steps" in finding.explanation


def test_warm_up_in_batches_with_accumulated_gradients() -> None:
    schedule = optax.warmup_cosine_decay_schedule(0.0, 0.1, 80, 200)
    tx = optax.MultiSteps(optax.adam(schedule), 8).gradient_transformation()
    finding = only(ScheduleHorizon().check(classifier(tx)))
    assert finding.severity == "warning" and finding.confirm == "higher learning rate"
    assert finding.evidence["batches per update"] == 8
    right = optax.warmup_cosine_decay_schedule(0.0, 0.1, 10, 25)
    assert silent(ScheduleHorizon().check(classifier(optax.MultiSteps(optax.adam(right), 8).gradient_transformation())))


def test_horizons_of_a_run_are_silent() -> None:
    for schedule in (
        optax.cosine_decay_schedule(0.1, 200),
        optax.warmup_cosine_decay_schedule(0.0, 0.1, 50, 1000),
        optax.exponential_decay(0.1, 100, 0.5),
        optax.constant_schedule(0.1),
    ):
        assert silent(ScheduleHorizon().check(classifier(optax.adam(schedule))))
    assert silent(ScheduleHorizon().check(classifier(optax.adam(1e-3))))
