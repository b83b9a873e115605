"""The loss with the labels of other examples."""

from __future__ import annotations

from typing import Any

import jax
import numpy as np
import optax
import pytest

from nnwidgets.checks import ShuffledLabels

from ._simple import LABELS, batches, outputs_of, session


def test_labels_of_others_are_worse_once_it_has_learned(subject_of: Any) -> None:
    found = ShuffledLabels().run(subject_of(session(steps=100)))
    assert found.verdict == "ok", found
    # in each batch of 32 there are 8 of each class: 24 of 31 others have another label
    assert found.numbers["others"] > 5 * found.numbers["own"]


def test_before_any_training_nothing_can_be_told(subject_of: Any) -> None:
    params = session().params
    params["head"]["w"] = np.zeros((16, 4), np.float32)
    found = ShuffledLabels().run(subject_of(session(params=params)))
    assert found.verdict == "unknown"
    # ln 4 with any labels
    assert found.numbers["own"] == pytest.approx(1.3863, rel=1e-3)
    assert found.numbers["others"] == pytest.approx(found.numbers["own"], rel=1e-5)


def test_inputs_that_do_not_reach_the_output(subject_of: Any) -> None:
    def deaf(params: Any, batch: Any) -> Any:
        return optax.softmax_cross_entropy_with_integer_labels(outputs_of(params, 0 * batch[0]), batch[1]).mean()

    found = ShuffledLabels().run(subject_of(session(deaf, steps=100)))
    assert found.verdict == "suspicious"
    assert "nothing was learned" in found.words


def test_a_loss_that_falls_without_the_labels(subject_of: Any) -> None:
    def confident(params: Any, batch: Any) -> Any:
        """The answer of the network stands in for the label."""
        outputs = outputs_of(params, batch[0])
        unused = 0.0 * batch[1]
        own = outputs.argmax(-1) + unused.astype(np.int32)
        return optax.softmax_cross_entropy_with_integer_labels(outputs, jax.lax.stop_gradient(own)).mean()

    found = ShuffledLabels().run(subject_of(session(confident, steps=100)))
    assert found.verdict == "wrong", found
    assert "something else than the labels" in found.words


def test_labels_that_are_all_the_same(subject_of: Any) -> None:
    found = ShuffledLabels().run(subject_of(session(data=batches(targets=0 * LABELS), steps=20)))
    assert found.verdict == "unknown"
    assert "all the same" in found.measured
