"""The first loss against chance, each number worked by hand."""

from __future__ import annotations

from math import log
from typing import Any

import jax.numpy as jnp
import numpy as np
import optax
import pytest

from nnwidgets.checks import FirstLoss

from ._simple import INPUTS, LABELS, REALS, batches, cross_entropy, outputs_of, session, squared, started


def binary(params: Any, batch: Any) -> Any:
    return optax.sigmoid_binary_cross_entropy(outputs_of(params, batch[0])[:, 0], batch[1]).mean()


def hinge(params: Any, batch: Any) -> Any:
    return jnp.maximum(0.0, 1.0 - batch[1] * outputs_of(params, batch[0])[:, 0]).mean()


def crammer(params: Any, batch: Any) -> Any:
    """Every other class must stay one below the right one."""
    outputs = outputs_of(params, batch[0])
    own = jnp.take_along_axis(outputs, batch[1][:, None], 1)
    others = jnp.arange(4) != batch[1][:, None]
    return jnp.sum(jnp.where(others, jnp.maximum(0.0, 1.0 + outputs - own), 0.0), 1).mean()


def poisson(params: Any, batch: Any) -> Any:
    rate = outputs_of(params, batch[0])[:, 0]
    return jnp.mean(jnp.exp(rate) - batch[1] * rate)


def absolute(params: Any, batch: Any) -> Any:
    return jnp.abs(outputs_of(params, batch[0])[:, 0] - batch[1]).mean()


def contrastive(params: Any, batch: Any) -> Any:
    one, two = outputs_of(params, batch[0]), outputs_of(params, batch[1])
    alike = one @ two.T
    return optax.softmax_cross_entropy_with_integer_labels(alike, jnp.arange(len(alike))).mean()


# 20 % zeros and 80 % ones: -(0.2 ln 0.5 + 0.8 ln 0.5) = 0.693
MOSTLY_ONES = (np.arange(320) % 5 > 0).astype(np.float32)
SIGNS = np.where(LABELS % 2 == 0, -1.0, 1.0).astype(np.float32)
# whole numbers 0 to 3
COUNTS = LABELS.astype(np.float32)


@pytest.mark.parametrize(
    ("loss", "targets", "wanted", "formula"),
    [
        (cross_entropy, LABELS, log(4), "ln 4 = 1.386"),
        (binary, MOSTLY_ONES, 0.6931, "ln 2 = 0.6931 at p = 0.5"),
        (hinge, SIGNS, 1.0, "hinge: 1"),
        # three wrong classes, each 1 short: 4 - 1 = 3
        (crammer, LABELS, 3.0, "4 classes - 1"),
        # exp(0) - 0 y = 1
        (poisson, COUNTS, 1.0, "Poisson"),
        # the mean of 0, 1, 2 and 3
        (absolute, COUNTS, 1.5, "mean |y|"),
        # (0 + 1 + 4 + 9) / 4 = 3.5 = var 1.25 + mean 1.5 squared
        (squared, COUNTS, 3.5, "var(y) + mean(y)²"),
        # 32 candidates
        (contrastive, INPUTS, log(32), "candidates, 32"),
    ],
    ids=lambda each: getattr(each, "__name__", ""),
)
def test_what_chance_gives(subject_of: Any, loss: Any, targets: Any, wanted: float, formula: str) -> None:
    outputs = 1 if loss in (absolute, squared) else 4
    found = FirstLoss().run(subject_of(session(loss, batches(targets=targets), started(outputs))))
    assert found.verdict == "ok", found
    assert found.numbers["chance"] == pytest.approx(wanted, rel=2e-3)
    assert found.numbers["zeros"] == pytest.approx(wanted, rel=2e-3)
    assert formula in found.expected


def test_what_shares_of_labels_alone_give_is_told(subject_of: Any) -> None:
    # 52 zeros in the first 256: -(0.2031 ln 0.2031 + 0.7969 ln 0.7969) = 0.3238 + 0.1809
    found = FirstLoss().run(subject_of(session(binary, batches(targets=MOSTLY_ONES), started(1))))
    assert "at that share 0.5047" in found.expected


def test_outputs_that_are_too_large_are_confidently_wrong(subject_of: Any) -> None:
    params = started()
    params["head"]["w"] = params["head"]["w"] * 40
    found = FirstLoss().run(subject_of(session(params=params)))
    assert found.verdict == "suspicious"
    assert "too large" in found.words
    # by more than half of ln 4
    assert found.numbers["first"] > 1.5 * log(4)


def test_a_sum_over_the_batch_is_told_from_a_mean(subject_of: Any) -> None:
    found = FirstLoss().run(subject_of(session(lambda params, batch: 32 * cross_entropy(params, batch))))
    # a constant factor is none: half the rows have the same loss
    assert found.verdict == "ok", found
    summed = session(
        lambda params, batch: optax.softmax_cross_entropy_with_integer_labels(
            outputs_of(params, batch[0]), batch[1]
        ).sum()
    )
    found = FirstLoss().run(subject_of(summed))
    assert found.verdict == "wrong"
    # 32 ln 4
    assert found.numbers["zeros"] == pytest.approx(44.36, rel=1e-3)
    assert "32 rows" in found.words


def test_a_leak_gives_less_than_chance(subject_of: Any) -> None:
    def leaking(params: Any, batch: Any) -> Any:
        outputs = outputs_of(params, batch[0]) + 2.0 * jnp.eye(4)[batch[1]] * (1 + 0 * params["head"]["b"])
        return optax.softmax_cross_entropy_with_integer_labels(outputs, batch[1]).mean()

    found = FirstLoss().run(subject_of(session(leaking)))
    # ln(e² + 3) - 2 = 0.340
    assert found.numbers["first"] == pytest.approx(0.34, abs=0.08)
    assert found.verdict == "suspicious"
    assert "leaks" in found.words


def test_real_targets_far_from_zero(subject_of: Any) -> None:
    found = FirstLoss().run(subject_of(session(squared, batches(targets=REALS + 3), started(1))))
    assert found.verdict == "ok"
    # var(y) + 3²
    assert found.numbers["chance"] == pytest.approx(float(REALS.var()) + 9, rel=0.05)
