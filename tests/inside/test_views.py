"""Whatever the framework: every view that a network has can be looked at, within bounds; the others are said in words."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import nnwidgets as nnw
from nnwidgets.inside import Inside
from tests import models

CONVOLUTIONAL = (
    "activations",
    "feature maps",
    "filters",
    "weights",
    "saliency",
    "occlusion",
    "Grad-CAM",
    "maximised unit",
)
VIEWS = {"linen": ("activations", "weights", "saliency", "occlusion", "attention")}


@pytest.mark.parametrize("framework", models.FRAMEWORKS)
def test_every_view_of_every_framework(framework: str) -> None:
    objective, batch, _ = models.make(framework)
    inside = Inside(objective, [batch])
    assert inside.views == VIEWS.get(framework, CONVOLUTIONAL)
    for view in inside.views:
        found = inside.look(view, position=99)
        assert (found.position, found.count) == (3, 4)
        assert found.pictures[0].kind == "input" and len(found.pictures) > 1, found.words
        for picture in found.pictures:
            assert picture.images.dtype == np.float32 and np.isfinite(picture.images).all()
            assert len(picture.images) <= 64 and max(picture.images.shape[1:3]) <= 96
        assert found.views == inside.views and found.example is not None
    assert {node.name for node in inside.graph().nodes} == {*inside.layers, "input", "loss"}


def dense(params: Any, batch: Any) -> Any:
    return jnp.mean((jax.nn.relu(batch[0] @ params["a"]["w"]) @ params["b"]["w"] - batch[1]) ** 2)


PARAMS: Any = {"a": {"w": np.ones((3, 4), np.float32)}, "b": {"w": np.ones((4, 1), np.float32)}}
ROWS = np.array([[1.0, 2.0, 3.0], [4.0, -9.0, 2.0]], np.float32)


def table() -> Inside:
    return Inside(nnw.Objective(dense, PARAMS), [(ROWS, ROWS[:, :1])])


def test_a_table() -> None:
    inside = table()
    np.testing.assert_array_equal(inside.input(1).images, ROWS[1][None, None])
    np.testing.assert_allclose(inside.saliency(0).images, [[[4, 4, 4]]])
    # the second feature is replaced by its mean, -3.5: each of four units falls by 5.5
    np.testing.assert_allclose(inside.occlusion(0).images, [[[-6, 22, 2]]])
    before, after, last = inside.activations(1)
    np.testing.assert_array_equal(before.images, np.full((1, 1, 4), -3))
    np.testing.assert_array_equal(after.images, np.zeros((1, 1, 4)))
    assert (before.layer, after.layer, last.layer) == ("a", "a/relu/output", "b")
    assert not inside.look("Grad-CAM").pictures[1:] and "no such view" in inside.look("Grad-CAM").words


def test_questions_that_make_no_sense_are_answered_in_words() -> None:
    inside = table()
    assert "there is no layer 'c': the layers are a, b" in inside.look(layer="c").words
    assert "there is no output 7" in inside.look("saliency", unit=7).words
    assert "there is no order" in inside.look(order="shuffled").words
    assert "there is no such view" in inside.look("dreams").words
    with pytest.raises(ValueError, match="there are no batches to look at"):
        Inside(nnw.Objective(dense, PARAMS), [])


def test_nan_stays() -> None:
    rows = ROWS.copy()
    rows[0, 0] = np.nan
    inside = Inside(nnw.Objective(dense, PARAMS), [(rows, ROWS[:, :1])])
    assert np.isnan(inside.activations(0)[0].images).all()
    assert np.isfinite(inside.activations(1)[0].images).all()
    assert inside.examples("largest loss first")[0].index == 0


def test_a_loss_that_nothing_is_known_of_still_has_layers() -> None:
    """The batch only weighs what is summed up of the parameters."""

    def loss_fn(params: Any, batch: Any) -> Any:
        return jnp.sum(params["a"]["w"] ** 2) * batch.mean()

    inside = Inside(nnw.Objective(loss_fn, {"a": {"w": np.ones((3, 2), np.float32)}}), [ROWS])
    found = inside.look()
    assert found.count == 2 and found.example is not None and np.isnan(found.example.loss)
    assert inside.graph().nodes[-1].name == "loss"


def test_a_large_picture_is_made_small() -> None:
    """Hundreds of wide images, of which 64 small ones are sent; the network is traced on a few rows."""

    def loss_fn(params: Any, batch: Any) -> Any:
        maps = jax.lax.conv_general_dilated(batch, params["conv"]["kernel"], (1, 1), "SAME")
        return jnp.mean(maps**2)

    kernel = np.ones((100, 1, 1, 1), np.float32)
    inside = Inside(nnw.Objective(loss_fn, {"conv": {"kernel": kernel}}), [np.ones((40, 1, 130, 128), np.float32)])
    found = inside.look("feature maps", position=39)
    assert found.pictures[1].images.shape == (64, 65, 64)
    assert found.pictures[1].words == "64 of 100 channels; 130x128 made 65x64"
    assert found.count == 40 and found.example is not None and found.example.index == 39
    assert inside._network.examples == 32
    (sketch,) = inside.activations(0)
    assert sketch.images.shape == (16, 26, 26)
