"""A loss that is 0 whatever the network says: nothing here may call that learned."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import pytest

from nnwidgets.checks import FewPoints, Ladder, LossTerms, ShuffledLabels, Subject, ZeroedInput

from ._simple import outputs_of, session, started


def one_unit(params: Any, batch: Any) -> Any:
    # a softmax over one unit is 1, and its logarithm 0
    outputs = outputs_of(params, batch[0])[:, :1]
    return -jnp.mean(jax.nn.log_softmax(outputs)[:, 0] * (1.0 + batch[1]))


@pytest.fixture(scope="module")
def subject(subject_of: Any) -> Subject:
    return subject_of(session(one_unit, params=started(depth=2)))


@pytest.mark.parametrize(
    ("check", "verdicts"),
    [(FewPoints(steps=50), ("suspicious", "wrong")), (LossTerms(), ("wrong",)), (Ladder(steps=20), ("unknown",))],
    ids=lambda value: getattr(value, "name", ""),
)
def test_nothing_is_learned(subject: Subject, check: Any, verdicts: tuple[str, ...]) -> None:
    assert check.run(subject).verdict in verdicts


@pytest.mark.parametrize("check", [ZeroedInput(), ShuffledLabels()], ids=lambda check: check.name)
def test_a_loss_that_is_not_finite_says_nothing_of_inputs_and_labels(subject_of: Any, check: Any) -> None:
    broken = started()
    broken["head"]["w"] = jnp.full_like(broken["head"]["w"], jnp.nan)
    assert check.run(subject_of(session(params=broken))).verdict == "unknown"
