"""Gradient ascent finds what a unit answers to."""

from __future__ import annotations

from typing import Any

import jax.numpy as jnp
import numpy as np
import pytest

import nnwidgets as nnw
from nnwidgets.inside import Inside

GENERATOR = np.random.default_rng(5)
ROWS = GENERATOR.normal(size=(6, 10)).astype(np.float32)
PARAMS: Any = {
    "first": {"w": GENERATOR.normal(size=(10, 4)).astype(np.float32)},
    "last": {"w": GENERATOR.normal(size=(4, 2)).astype(np.float32)},
}


def loss_fn(params: Any, batch: Any) -> Any:
    return jnp.mean((jnp.tanh(batch[0] @ params["first"]["w"]) @ params["last"]["w"] - batch[1]) ** 2)


@pytest.fixture(scope="module")
def inside() -> Inside:
    return Inside(nnw.Objective(loss_fn, PARAMS), [(ROWS, ROWS[:, :2])])


def test_a_linear_unit_answers_to_its_weights(inside: Inside) -> None:
    found, wanted = inside.maximise("first", 2).images.reshape(-1), PARAMS["first"]["w"][:, 2]
    assert found @ wanted / np.linalg.norm(found) / np.linalg.norm(wanted) > 0.99
    # about as large as the data
    assert 0.5 < np.sqrt(np.mean(found**2)) / np.sqrt(np.mean(ROWS**2)) < 1.5


def test_a_unit_behind_a_nonlinearity_grows(inside: Inside) -> None:
    def unit(x: Any) -> Any:
        return np.tanh(x @ PARAMS["first"]["w"]) @ PARAMS["last"]["w"][:, 1]

    picture = inside.maximise("last", 1, seed=3)
    reached = float(unit(picture.images.reshape(-1)))
    assert reached > 0.8 * np.abs(PARAMS["last"]["w"][:, 1]).sum()
    assert f"{reached:.3g} after 64 steps" in picture.words


def test_what_is_not_there_is_said(inside: Inside) -> None:
    with pytest.raises(ValueError, match="last has no unit 2: they are numbered from 0 to 1"):
        inside.maximise("last", 2)
    with pytest.raises(ValueError, match="there is no layer 'middle': the layers are first, last"):
        inside.maximise("middle", 0)
