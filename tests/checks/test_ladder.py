"""Depth by depth: where learning stops."""

from __future__ import annotations

from typing import Any

import jax.numpy as jnp
import pytest

from nnwidgets.checks import Ladder

from ._simple import session, started


@pytest.fixture(scope="module")
def deep() -> Any:
    return started(depth=2)


def test_every_depth_of_a_healthy_network_learns(subject_of: Any, deep: Any) -> None:
    found = Ladder().run(subject_of(session(params=deep)))
    assert found.verdict == "ok", found
    assert found.numbers["layers"] == ["hidden0", "hidden1"]
    # a fresh output says nothing: ln 4
    assert found.numbers["first"] == pytest.approx(1.3863, abs=0.05)
    assert all(loss < 0.7 for loss in found.numbers["losses"])


def test_the_layer_at_which_learning_stops_is_named(subject_of: Any, deep: Any) -> None:
    broken = {**deep, "hidden1": {"w": 1e-9 * deep["hidden1"]["w"], "b": 50.0 + jnp.zeros(16)}}
    found = Ladder(steps=50).run(subject_of(session(params=broken)))
    # its kernel is nearly 0, and tanh is flat at 50: from hidden1 on all examples are the same
    assert found.verdict == "wrong", found
    assert "learning stops at hidden1" in found.words
    losses = dict(zip(found.numbers["layers"], found.numbers["losses"], strict=True))
    assert losses["hidden0"] < 1.0
    assert losses["hidden1"] == pytest.approx(1.386, abs=0.03)


def test_one_layer_is_no_ladder(subject_of: Any) -> None:
    assert Ladder().run(subject_of(session())).verdict == "unknown"
