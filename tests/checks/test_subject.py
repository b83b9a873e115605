"""What all checks stand on: the loss of a batch, and a subject that costs nothing before it is looked at."""

from __future__ import annotations

from typing import Any

import jax.numpy as jnp
import pytest

from nnwidgets.checks import FirstLoss

from ._simple import cross_entropy, session


def penalised(params: Any, batch: Any) -> Any:
    return cross_entropy(params, batch) + 5.0, {"penalty": jnp.asarray(5.0)}


def test_a_declared_penalty_is_left_out_where_that_is_asked(subject_of: Any) -> None:
    subject, plain = subject_of(session(penalised)), subject_of(session())
    batch = subject.setup.batch
    alone = plain.loss(batch)
    assert subject.loss(batch) == pytest.approx(alone + 5.0, abs=1e-5)
    assert subject.loss(batch, penalty=False) == pytest.approx(alone, abs=1e-5)
    # ln 4 is what chance gives, whatever the penalty
    found = FirstLoss().run(subject)
    assert found.verdict == "ok", found
    assert found.numbers["first"] == pytest.approx(1.386, abs=0.3)


def test_estimates_draw_no_batch() -> None:
    asked: list[int] = []

    def batches(step: int) -> Any:
        asked.append(step)
        return jnp.ones((4, 6)), jnp.zeros(4, jnp.int32)

    run = session(data=batches)
    assert run.dashboard.infos()
    assert set(asked) == {0}, "the first one, which the session itself is made with"
