"""What becomes of each example, for every kind of task, and the orders."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import nnwidgets as nnw
from nnwidgets.inside import Inside
from nnwidgets.inside._examples import ordered
from nnwidgets.records import Example

ROWS = np.array([[2.0, 0.0, -1.0], [0.0, 1.0, 3.0], [-1.0, 4.0, 0.0], [1.0, 1.5, 0.0]], np.float32)
EYE = {"layer": {"w": np.eye(3, dtype=np.float32)}}
# (3 classes) of which the second and the last are wrong
CLASSES = np.array([0, 1, 1, 0], np.int32)


def examples(loss: Any, targets: Any, params: Any = EYE) -> tuple[Example, ...]:
    """Of a network that gives its input as it is."""

    def loss_fn(params: Any, batch: Any) -> Any:
        return loss(batch["x"] @ params["layer"]["w"], batch["y"])

    return Inside(nnw.Objective(loss_fn, params), [{"x": ROWS, "y": targets}]).examples("in order")


def entropies(logits: Any) -> Any:
    return -np.asarray(jax.nn.log_softmax(logits))[np.arange(4), CLASSES]


def test_classes() -> None:
    found = examples(lambda z, y: optax.softmax_cross_entropy_with_integer_labels(z, y).mean(), CLASSES)
    np.testing.assert_allclose([each.loss for each in found], entropies(ROWS), rtol=1e-5)
    assert [each.right for each in found] == [True, False, True, False]
    assert [each.prediction for each in found] == ["0", "2", "1", "1"]
    np.testing.assert_allclose(found[1].confidence, np.exp(3) / (1 + np.exp(1) + np.exp(3)), rtol=1e-5)


def test_classes_as_rows_of_shares() -> None:
    found = examples(lambda z, y: optax.softmax_cross_entropy(z, y).mean(), np.eye(3, dtype=np.float32)[CLASSES])
    np.testing.assert_allclose([each.loss for each in found], entropies(ROWS), rtol=1e-5)
    assert [each.target for each in found] == ["0", "1", "1", "0"]


def test_probabilities_in_aux() -> None:
    """The network gives probabilities; the score is still of the logits."""

    def loss_fn(params: Any, batch: Any) -> Any:
        outputs = jax.nn.softmax(batch["x"] @ params["layer"]["w"])
        loss = -jnp.log(jnp.take_along_axis(outputs, batch["y"][:, None], 1)).mean()
        return loss, {"outputs": outputs, "targets": batch["y"]}

    inside = Inside(nnw.Objective(loss_fn, EYE), [{"x": ROWS, "y": CLASSES}])
    np.testing.assert_allclose([each.loss for each in inside.examples("in order")], entropies(ROWS), rtol=1e-5)
    np.testing.assert_allclose(inside.saliency(0).images, [[[1, 0, 0]]])


def test_yes_or_no() -> None:
    params = {"layer": {"w": np.ones((3, 1), np.float32)}}
    wanted = np.array([[1], [0], [1], [1]], np.int32)
    found = examples(lambda z, y: optax.sigmoid_binary_cross_entropy(z, y).mean(), wanted.astype(np.float32), params)
    logits = ROWS.sum(1)
    np.testing.assert_allclose([each.loss for each in found], np.log1p(np.exp(-logits * [1, -1, 1, 1])), rtol=1e-5)
    assert [each.right for each in found] == [True, False, True, True]
    np.testing.assert_allclose(found[1].confidence, 1 / (1 + np.exp(-4)), rtol=1e-5)


def test_numbers() -> None:
    targets = np.zeros((4, 3), np.float32)
    found = examples(lambda z, y: jnp.mean((z - y) ** 2), targets)
    np.testing.assert_allclose([each.loss for each in found], (ROWS**2).mean(1), rtol=1e-5)
    assert (found[0].prediction, found[0].target, found[0].right) == ("2 0 -1", "0 0 0", None)


def test_the_sum_of_two_branches_is_the_prediction() -> None:
    """The last layer alone is not what is compared with the targets."""

    def loss_fn(params: Any, batch: Any) -> Any:
        x = batch["x"] @ params["layer"]["w"]
        return jnp.mean((jnp.sum(x + x @ params["last"]["w"], 1) - batch["y"]) ** 2)

    inside = Inside(nnw.Objective(loss_fn, {**EYE, "last": EYE["layer"]}), [{"x": ROWS, "y": np.zeros(4, np.float32)}])
    assert [each.prediction for each in inside.examples("in order")] == ["2", "8", "6", "5"]
    np.testing.assert_allclose([each.loss for each in inside.examples("in order")], [4, 64, 36, 25])
    np.testing.assert_allclose(inside.saliency(0).images, [[[2, 2, 2]]])


def test_orders() -> None:
    some = [
        Example(0, 0.5, right=True, confidence=0.6),
        Example(1, 2.0, right=False, confidence=0.5),
        Example(2, float("nan"), right=False, confidence=0.9),
        Example(3, 0.1, right=True, confidence=0.55),
    ]
    wanted = {
        "in order": [0, 1, 2, 3],
        "wrong first": [1, 2, 0, 3],
        "most confident wrong first": [2, 1, 3, 0],
        "largest loss first": [2, 1, 0, 3],
    }
    assert {order: [each.index for each in ordered(some, order)] for order in wanted} == wanted
    with pytest.raises(ValueError, match="there is no order 'best first': the orders are wrong first"):
        ordered(some, "best first")
