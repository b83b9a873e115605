"""Where a schedule ends, and what is said where that is not where the run ends."""

from __future__ import annotations

import re
from typing import Any

import jax.numpy as jnp
import optax
import pytest

from nnwidgets import schedules
from nnwidgets.schedules import horizon, keras, mxnet, pytorch, tensorflow

RUN = 1000


@pytest.mark.parametrize(
    ("schedule", "ends", "peak_step"),
    [
        (schedules.constant(0.1), 0, 0),
        (optax.constant_schedule(0.1), 0, 0),
        (keras.cosine_decay(0.1, RUN), RUN, 0),
        (keras.cosine_decay(0.0, 950, warmup_target=0.1, warmup_steps=50), RUN, 50),
        (optax.warmup_cosine_decay_schedule(0.0, 0.1, 100, RUN), RUN, 100),
        (keras.polynomial_decay(0.1, RUN), RUN, 0),
        (keras.polynomial_decay(0.1, RUN, power=2), RUN, 0),
        (pytorch.one_cycle_lr(0.1, RUN), RUN - 1, 299),
        (pytorch.one_cycle_lr(0.1, RUN, pct_start=0.45, three_phase=True), RUN - 1, 449),
        (pytorch.multi_step_lr(0.1, [600, 800]), 800, 0),
        (pytorch.multi_step_lr(0.1, [30, 60, 80], steps_per_epoch=10), 800, 0),
        (mxnet.cosine_scheduler(RUN, warmup_steps=100), RUN - 1, 98),
        (keras.cosine_decay(0.1, 1200), 1200, 0),
        (keras.exponential_decay(0.1, RUN, 0.01), None, 0),
        (keras.inverse_time_decay(0.1, 100, 0.5), None, 0),
        (schedules.inverse_square_root(0.1, 100), None, 99),
        (schedules.noam(64, 100), None, 98),
        (pytorch.step_lr(0.1, 300, 0.5), None, 0),
        (keras.cosine_decay_restarts(0.1, 334, t_mul=2.0), None, 0),
        (pytorch.cyclic_lr(0.01, 0.1, 100, 100), None, 99),
    ],
)
def test_a_schedule_that_fits_is_left_in_peace(schedule: Any, ends: int | None, peak_step: int) -> None:
    found = horizon(schedule, RUN)
    assert found.words == "" and found.fits
    assert found.ends == (ends if ends is None else pytest.approx(ends, abs=4))
    # within 1 % of the peak
    assert found.peak_step == pytest.approx(peak_step, abs=35)
    assert found.first == pytest.approx(float(schedule(0)), rel=1e-5)
    assert found.last == pytest.approx(float(schedule(RUN - 1)), rel=1e-5)


@pytest.mark.parametrize(
    ("schedule", "words"),
    [
        (
            keras.cosine_decay(0.1, 300),
            r"The learning rate is gone after 300 of 1,000 steps\. Give the schedule the run's 1,000 optimizer",
        ),
        (
            keras.cosine_decay(0.1, 20),
            r"gone after 20 of 1,000 steps\. Is 20 a number of epochs\? The schedule counts optimizer steps",
        ),
        (
            keras.cosine_decay(0.1, 20, alpha=0.05),
            r"over after 20 of 1,000 steps; .* at 5 % of its peak\. Is 20 a number of epochs\?",
        ),
        (tensorflow.polynomial_decay(0.1, 100), r"gone after 100 of 1,000 steps"),
        (keras.exponential_decay(0.1, 10, 0.5), r"gone after \d+ of 1,000 steps"),
        (pytorch.multi_step_lr(0.1, [30, 60, 80]), r"gone after 80 of 1,000 steps\. Is 80 a number of epochs"),
        (
            keras.cosine_decay(0.1, 10 * RUN),
            r"ends at about step 10,0\d\d, the run at 1,000: the learning rate has only begun to fall and is still at 98 %",
        ),
        (
            keras.cosine_decay(0.1, 1500),
            r"ends at about step 1,5\d\d, .* has not fallen to its end and is still at 25 %",
        ),
        (
            pytorch.multi_step_lr(0.1, [30, 60, 80], steps_per_epoch=40),
            r"ends at about step 3,2\d\d, the run at 1,000: .* 100 %",
        ),
        (
            schedules.linear_warmup(schedules.constant(0.1), 5000),
            r"peak at about step 4,9\d\d, after the run's 1,000; .* at 20 % of it\. Give the warm-up .*: 100 steps",
        ),
        (schedules.linear_warmup(keras.cosine_decay(0.1, 200), 800), r"comes to its peak only at step 79\d of 1,000"),
        (schedules.noam(512, 4000), r"comes to its peak at about step 3,9\d\d"),
        (
            pytorch.cosine_annealing_lr(0.1, 400),
            r"The run ends within a cycle, at 5\d % of the peak; the learning rate was lowest at step 400 \(0\)",
        ),
        (
            pytorch.cosine_annealing_warm_restarts(0.1, 900),
            r"ends within a cycle, at 97 % of the peak; .* lowest at step 899",
        ),
        (optax.linear_schedule(0.1, -0.1, RUN), r"negative, so that the loss is climbed, from step 501 on"),
        (lambda count: jnp.where(count > 10, jnp.nan, 0.1), r"not finite from step 11 on \(nan\)"),
        (schedules.constant(0.0), r"0 at every step: nothing is learnt"),
    ],
)
def test_a_schedule_that_does_not_fit_is_told(schedule: Any, words: str) -> None:
    found = horizon(schedule, RUN)
    assert not found.fits
    assert re.search(words, found.words), found.words


@pytest.mark.parametrize(("epochs", "batches"), [(10, 100), (100, 10), (40, 25)])
def test_a_length_in_epochs_is_recognised(epochs: int, batches: int) -> None:
    found = horizon(keras.cosine_decay(0.1, epochs), RUN, steps_per_epoch=batches)
    assert f"{epochs} looks like epochs: give the schedule {epochs} x {batches} = 1,000 steps." in found.words


def test_long_runs_are_looked_at_from_their_first_steps() -> None:
    found = horizon(keras.cosine_decay(0.1, 90), 1_000_000, steps_per_epoch=10_000)
    assert found.ends == 90 and "90 looks like epochs" in found.words
    assert horizon(keras.cosine_decay(0.1, 1_000_000), 1_000_000).fits
    assert horizon(keras.cosine_decay(0.1, 2**30), 2**30).fits


def test_a_rate_that_rises_for_ever() -> None:
    """A range test grows out of all range beyond the run; only the run counts."""
    found = horizon(keras.exponential_decay(1e-7, RUN, 1e8), RUN)
    assert found.peak == pytest.approx(1e-7 * 1e8 ** (999 / 1000), rel=1e-4)
    assert found.ends is None and "comes to its peak only at step 99" in found.words


def test_a_schedule_in_python() -> None:
    found = horizon(lambda count: 0.1 if int(count) < 100 else 0.0, RUN)
    assert "gone after" in found.words
    assert horizon(0.1, RUN).fits  # pyright: ignore[reportArgumentType]


def test_short_runs() -> None:
    for steps in (1, 2, 3):
        assert horizon(schedules.constant(0.1), steps).fits
        assert horizon(keras.cosine_decay(0.1, steps), steps).fits
    with pytest.raises(ValueError, match="steps must be a whole number from 1"):
        horizon(schedules.constant(0.1), 0)
