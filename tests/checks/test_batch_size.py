"""The loss against the size of the batch."""

from __future__ import annotations

from typing import Any

import jax.numpy as jnp
import optax
import pytest

from nnwidgets.checks import BatchSize

from ._simple import INPUTS, batches, outputs_of, session


def test_a_mean_is_the_same_for_every_size(subject_of: Any) -> None:
    found = BatchSize().run(subject_of(session()))
    assert found.verdict == "ok"
    assert found.numbers["sizes"] == [32, 16, 8]
    whole, halves, quarters = found.numbers["losses"]
    assert halves == pytest.approx(whole, rel=1e-4)
    assert quarters == pytest.approx(whole, rel=1e-4)


def test_a_sum_halves(subject_of: Any) -> None:
    found = BatchSize().run(
        subject_of(
            session(
                lambda params, batch: optax.softmax_cross_entropy_with_integer_labels(
                    outputs_of(params, batch[0]), batch[1]
                ).sum()
            )
        )
    )
    assert found.verdict == "wrong"
    whole, halves, quarters = found.numbers["losses"]
    assert (halves / whole, quarters / whole) == (pytest.approx(0.5, rel=1e-4), pytest.approx(0.25, rel=1e-4))
    assert "summed over the batch" in found.words


def test_examples_that_are_compared_with_each_other_are_no_fault(subject_of: Any) -> None:
    def contrastive(params: Any, batch: Any) -> Any:
        alike = outputs_of(params, batch[0]) @ outputs_of(params, batch[1]).T
        return optax.softmax_cross_entropy_with_integer_labels(alike, jnp.arange(len(alike))).mean()

    found = BatchSize().run(subject_of(session(contrastive, batches(targets=INPUTS))))
    # about ln 32, ln 16, ln 8
    assert found.verdict == "unknown", found
    assert "compared with each other" in found.words


def test_too_few_rows(subject_of: Any) -> None:
    assert BatchSize().run(subject_of(session(data=batches(size=2)))).verdict == "unknown"
