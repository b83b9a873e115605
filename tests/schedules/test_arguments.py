"""Bad arguments: what was needed, what was got, what to type, and all at once."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from nnwidgets import schedules
from nnwidgets.schedules import keras, mxnet, pytorch, tensorflow


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (
            lambda: keras.cosine_decay(0.1, -5),
            r"decay_steps must be a whole number from 1 to .*, got -5: type decay_steps=1000",
        ),
        (lambda: keras.cosine_decay(0.1, 10.5), r"decay_steps must be a whole number .*, got 10\.5"),
        (lambda: keras.cosine_decay(0.1, "10"), r"decay_steps must be a whole number .*, got '10'"),
        (lambda: keras.cosine_decay(0.1, True), r"decay_steps must be a whole number .*, got True"),
        (
            lambda: keras.exponential_decay(0.1, 0, 0.9),
            r"decay_steps must be a number above 0, got 0: type, for example, decay_steps=1000",
        ),
        (
            lambda: keras.exponential_decay(0.1, 10, 0.0),
            r"decay_rate must be a number above 0, got 0\.0.*decay_rate=0\.96",
        ),
        (
            lambda: keras.piecewise_constant_decay([20, 10], [1, 2, 3]),
            r"boundaries must rise, got \[20, 10\]: type boundaries=\[10, 20\]",
        ),
        (
            lambda: keras.piecewise_constant_decay([10, 10], [1, 2, 3]),
            r"boundaries must rise, got \[10, 10\]: type boundaries=\[10\]",
        ),
        (
            lambda: keras.piecewise_constant_decay([10], [1]),
            r"values must have one more entry than boundaries, got 1 and 1",
        ),
        (
            lambda: keras.piecewise_constant_decay(10, [1]),
            r"boundaries must be a list of whole numbers, got 10: type boundaries=\[300, 600\]",
        ),
        (lambda: keras.polynomial_decay(0.1, 10, power=-1), r"power must be a number of at least 0, got -1"),
        (
            lambda: keras.cosine_decay_restarts(0.1, 10, t_mul=0.5),
            r"t_mul must be a number from 1\.001 to 1000, got 0\.5",
        ),
        (lambda: tensorflow.linear_cosine_decay(0.1, 0), r"decay_steps must be a whole number"),
        (lambda: pytorch.step_lr(0.1, 0), r"step_size must be a whole number"),
        (
            lambda: pytorch.multi_step_lr(0.1, [80, 30]),
            r"milestones must rise, got \[80, 30\]: type milestones=\[30, 80\]",
        ),
        (lambda: pytorch.multi_step_lr(0.1, [30, -1]), r"milestones\[1\] must be a whole number from 0"),
        (
            lambda: pytorch.linear_lr(0.1, 0),
            r"start_factor must be above 0, got 0: type, for example, start_factor=0\.01",
        ),
        (lambda: pytorch.lambda_lr(0.1, 0.5), r"lr_lambda must be a function of the epoch, got 0\.5"),  # pyright: ignore
        (
            lambda: pytorch.one_cycle_lr(0.1),
            r"The length must be given, got total_steps=None, epochs=None.*type total_steps=1000",
        ),
        (lambda: pytorch.one_cycle_lr(0.1, 10, pct_start=0.1), r"pct_start \* total_steps must not be 1"),
        (
            lambda: pytorch.one_cycle_lr(0.1, 10, pct_start=30),
            r"pct_start must be a number from 0 to 1, got 30: type, for example, pct_start=0\.3",
        ),
        (
            lambda: pytorch.one_cycle_lr(0.1, 10, anneal_strategy="cosine"),
            r"anneal_strategy must be 'cos' or 'linear', got 'cosine': type anneal_strategy='cos'",
        ),
        (
            lambda: pytorch.cyclic_lr(0.1, 0.2, mode="square"),
            r"mode must be 'triangular' or 'triangular2' or 'exp_range', got 'square'",
        ),
        (
            lambda: pytorch.sequential_lr([schedules.constant(0.1)], [10]),
            r"schedulers must be one more than milestones, got 1 and 1",
        ),
        (lambda: pytorch.chained_scheduler(0.1, []), r"schedulers must hold at least one schedule"),
        (lambda: mxnet.factor_scheduler(10, 1.5), r"factor must be a number from 0 to 1, got 1\.5"),
        (
            lambda: mxnet.factor_scheduler(10, base_lr=0.1, warmup_begin_lr=0.2),
            r"warmup_begin_lr must be at most base_lr=0\.1, got 0\.2: type warmup_begin_lr=0",
        ),
        (
            lambda: mxnet.poly_scheduler(10, warmup_steps=10),
            r"max_update must be larger than warmup_steps=10, got 10.*type max_update=1010",
        ),
        (
            lambda: mxnet.cosine_scheduler(10, warmup_mode="square"),
            r"warmup_mode must be 'linear' or 'constant', got 'square'",
        ),
        (lambda: schedules.linear_warmup(schedules.constant(0.1), 0), r"warmup_steps must be a whole number from 1"),
        (
            lambda: schedules.constant("0.1"),
            r"learning_rate must be a number of at least 0, got '0\.1'.*learning_rate=0\.001",
        ),
        (lambda: schedules.constant(float("nan")), r"learning_rate must be a number of at least 0, got nan"),
        (lambda: schedules.constant(np.ones(2)), r"learning_rate must be a number of at least 0, got array"),
        (lambda: schedules.inverse_square_root(-1.0), r"peak_lr must be a number of at least 0, got -1\.0"),
        (lambda: keras.cosine_decay(-1, 10), r"initial_learning_rate must be a number of at least 0, got -1"),
        (lambda: keras.cosine_decay(0.0, 10, warmup_target=-1), r"warmup_target must be a number of at least 0"),
        (
            lambda: keras.piecewise_constant_decay([10], [0.1, "0"]),
            r"values\[1\] must be a number of at least 0, got '0'",
        ),
        (lambda: tensorflow.cosine_decay(-1, 10), r"^learning_rate must be a number of at least 0, got -1"),
        (lambda: pytorch.step_lr(None, 10), r"lr must be a number of at least 0, got None"),
        (lambda: mxnet.poly_scheduler(10, final_lr=-1e-3), r"final_lr must be a number of at least 0"),
        (lambda: keras.reduce_lr_on_plateau(1e-3, min_lr=0.1), r"min_lr must be a number from 0 to 0\.001, got 0\.1"),
        (lambda: pytorch.reduce_lr_on_plateau(1e-3, min_lr=-1), r"min_lr must be a number from 0 to 0\.001, got -1"),
        (lambda: schedules.noam(0), r"d_model must be a whole number from 1"),
        (lambda: keras.reduce_lr_on_plateau(1e-3, factor=1.0), r"factor must be a number from"),
        (
            lambda: pytorch.reduce_lr_on_plateau(1e-3, threshold_mode="relative"),
            r"threshold_mode must be 'rel' or 'abs', got 'relative'",
        ),
    ],
)
def test_the_words_of_a_bad_argument(make: Callable[[], Any], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        make()


def test_all_that_is_wrong_is_told_at_once() -> None:
    with pytest.raises(ValueError, match=r"step_size .*; gamma .*; steps_per_epoch .*\.$"):
        pytorch.step_lr(0.1, 0, 0.0, 0)


def test_whole_numbers_may_come_as_floats() -> None:
    assert float(keras.cosine_decay(0.1, 1e3)(500)) == float(keras.cosine_decay(0.1, 1000)(500))  # pyright: ignore
