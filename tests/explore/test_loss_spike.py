"""What made the loss jump: few examples, or a layer that ran away."""

from __future__ import annotations

import time
from typing import Any

import jax.numpy as jnp
import numpy as np
import optax
import pytest

import nnwidgets as nnw
from nnwidgets.records import Command

from .conftest import small_session

SPOILT, AT = [3, 17], 25


def spoilt_session() -> nnw.Session:
    """At step 25, two labels are wrong by far."""
    plain = small_session()._batches.window(0, 8)

    def batches(step: int) -> Any:
        inputs, targets = plain[step % 8]
        targets = np.array(targets)
        if step == AT:
            targets[SPOILT] += 100.0
        return inputs, targets

    return nnw.Session(small_session().objective, optax.adam(1e-2), batches)


def test_two_examples_carry_it() -> None:
    session = spoilt_session().run(30)
    found = session.explore.loss_spike()
    assert found["step"] == AT and set(found["carriers"]) == set(SPOILT) and found.verdict == "suspicious"
    assert {row[0] for row in found.rows[:2]} == set(SPOILT) and len(found.rows) == 8
    assert (
        found.answer.startswith("Step 25: the loss is ") and "Look at these examples and their labels." in found.answer
    )
    grown, examples = found.pictures
    assert {line.name for line in grown.lines} == {"hidden", "out"} and grown.lines[0].x[-1] == AT
    few, others = examples.lines
    assert len(few.x) == len(found["carriers"]) and len(few.x) + len(others.x) == 32
    assert few.y.min() > others.y.max()
    assert "<svg" in found._repr_html_() and session.history.explorations[-1] is found and session.step == 30


def test_a_step_that_ran_away() -> None:
    """One update of a layer is 3,000 times as large."""

    def update(updates: Any, state: Any, params: Any = None) -> Any:
        return {**updates, "out": jnp.where(state == 20, 3000.0, 1.0) * updates["out"]}, state + 1

    kick = optax.GradientTransformation(lambda params: jnp.zeros((), jnp.int32), update)
    session = small_session(optax.chain(optax.sgd(1e-2), kick)).run(23)
    found = session.explore.loss_spike()
    assert found["step"] in (21, 22) and found["first"] is not None
    assert "labels" not in found.answer and found.answer.endswith("bound the gradient's norm.")


def test_nothing_stands_out_or_is_asked_for() -> None:
    session = small_session()
    assert session.explore.loss_spike().verdict == "ok"
    session.run(20)
    found = session.explore.loss_spike()
    assert found.verdict == "ok" and (
        "no spike" in found.answer or found.answer == "No loss is above the dozen before it."
    )
    assert session.explore.loss_spike(step=10)["step"] == 10
    with pytest.raises(ValueError, match="a step that was made, 0 to 19, got 20"):
        session.explore.loss_spike(step=20)


def test_the_dashboard_asks_for_it() -> None:
    session = spoilt_session().run(30)
    session.dashboard._send(Command("explore", "loss spike"))
    deadline = time.monotonic() + 120
    while not session.history.explorations and time.monotonic() < deadline:
        time.sleep(0.01)
    assert session.history.explorations[0]["step"] == AT
