"""Clipping's shares, norms and angles against a loop in NumPy; clippings of many optimizers found by what they do."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import nnwidgets as nnw
from nnwidgets.explore.clipping._clip import find_clip
from nnwidgets.explore.clipping._clipped_run import course
from nnwidgets.explore.clipping._clipping import Clipping
from nnwidgets.explore.clipping._unclipped import without_clipping
from tests.checks._simple import session as classifier

from .conftest import small_session

RATE, STEPS = 0.05, 50
RNG = np.random.default_rng(5)
INPUTS = RNG.normal(size=(160, 6)).astype(np.float32) * np.array([3, 1, 1, 1, 1, 0.3], np.float32)
TARGETS = (INPUTS @ RNG.normal(size=6) + 0.5 * RNG.normal(size=160)).astype(np.float32)
BATCHES = [(INPUTS[i : i + 16], TARGETS[i : i + 16]) for i in range(0, 160, 16)]


def squared(params: Any, batch: Any) -> Any:
    return jnp.mean((batch[0] @ params["w"] - batch[1]) ** 2)


def line(tx: Any, batches: Any = BATCHES) -> nnw.Session:
    """A linear regression, whose gradient is 2 X'(Xw - y) / n."""
    return nnw.Session(nnw.Objective(squared, {"w": jnp.zeros(6)}), tx, batches, budget=0)


def by_hand(bound: float, steps: int = STEPS, rate: float = RATE, batches: Any = BATCHES) -> tuple[Any, Any, Any]:
    """Gradients before clipping by norm, and the losses, of SGD."""
    w, grads, losses = np.zeros(6), [], []
    for k in range(steps):
        x, y = (part.astype(np.float64) for part in batches[k % len(batches)])
        grad = 2 * x.T @ (x @ w - y) / len(y)
        grads.append(grad)
        losses.append(np.mean((x @ w - y) ** 2))
        w = w - rate * grad * min(1, bound / np.linalg.norm(grad))
    return np.array(grads), np.array(losses), np.linalg.norm(grads, axis=1)


def by_value(grad: Any, bound: float) -> tuple[float, float]:
    """Share of the coordinates, and cosine, of the clipping by value that leaves a norm."""
    low, high = 0.0, np.abs(grad).max()
    for _ in range(80):
        middle = (low + high) / 2
        low, high = (middle, high) if np.linalg.norm(np.clip(grad, -middle, middle)) < bound else (low, middle)
    cut = np.clip(grad, -high, high)
    return float(np.mean(np.abs(grad) > high)), float(grad @ cut / np.linalg.norm(grad) / np.linalg.norm(cut))


def test_shares_norms_and_angles() -> None:
    found = Clipping(steps=STEPS).run(line(optax.chain(optax.clip_by_global_norm(2.0), optax.sgd(RATE))).lab())
    grads, losses, norms = by_hand(2.0)
    assert (found["kind"], found["place"]) == ("norm", "gradients")
    assert found["bound"] == pytest.approx(2.0, rel=1e-4)
    assert found["share_clipped"] == np.mean(norms > 2)
    assert 0 < found["share_clipped"] < 1
    assert found["norms"] == pytest.approx(norms, rel=1e-3)
    assert found["suggested_bound"] == pytest.approx(np.percentile(norms, 90), rel=1e-3)
    assert found["norm_median"] == pytest.approx(np.median(norms), rel=1e-3)
    assert found["loss_at_the_end"] == pytest.approx(losses[-5:].mean(), rel=1e-3)
    assert found["loss_without_clipping"] == pytest.approx(by_hand(np.inf)[1][-5:].mean(), rel=1e-3)
    bounded = by_hand(np.percentile(norms, 90))[1]
    assert found["loss_with_the_suggested_bound"] == pytest.approx(bounded[-5:].mean(), rel=1e-3)
    pairs = [by_value(grad, 2.0) for grad in grads[norms > 2]]
    assert found["share_of_coordinates_cut_by_value"] == pytest.approx(np.mean([share for share, _ in pairs]), rel=1e-3)
    assert found["cosine_by_value"] == pytest.approx(np.median([cosine for _, cosine in pairs]), rel=1e-3)


def test_the_pictures() -> None:
    tx = optax.chain(optax.clip_by_global_norm(2.0), optax.sgd(RATE))
    run = nnw.Session(nnw.Objective(squared, {"w": jnp.zeros(6)}), tx, BATCHES).run(12)
    found = Clipping(steps=25).run(run.lab())
    norms, histogram, losses = found.pictures
    assert {guide.words for guide in norms.guides} == {"90th percentile", "your bound"}
    here, before = norms.lines
    # the run itself, step by step, then its steps so far
    assert (here.x[0], before.x[-1]) == (0, -1)
    read = run.history["gradient/norm"].steps
    assert np.allclose(before.y, by_hand(2.0, 12)[2][read], rtol=1e-3)
    assert np.allclose(here.y, by_hand(2.0, 37)[2][12:], rtol=1e-3)
    assert histogram.lines[0].y.sum() == histogram.lines[1].y.sum() == 25
    # nothing is left above the bound
    assert histogram.lines[1].y[histogram.lines[1].x > 2.2].sum() == 0
    assert [line.name for line in losses.lines] == ["as it is", "without clipping", "norm bounded"]


def test_by_value() -> None:
    found = Clipping(steps=25).run(line(optax.chain(optax.clip(0.5), optax.sgd(RATE))).lab())
    w, cut, cosines = np.zeros(6), [], []
    for k in range(25):
        x, y = (part.astype(np.float64) for part in BATCHES[k % 10])
        grad = 2 * x.T @ (x @ w - y) / len(y)
        kept = np.clip(grad, -0.5, 0.5)
        cut.append(np.mean(np.abs(grad) > 0.5))
        cosines.append(grad @ kept / np.linalg.norm(grad) / np.linalg.norm(kept))
        w = w - RATE * kept
    assert (found["kind"], found["bound"]) == ("value", pytest.approx(0.5, rel=1e-4))
    assert found["share_clipped"] == np.mean(np.array(cut) > 0)
    acting = np.array(cut) > 0
    assert found["share_of_coordinates_cut_by_value"] == pytest.approx(np.mean(np.array(cut)[acting]), rel=1e-3)
    assert found["cosine_by_value"] == pytest.approx(np.median(np.array(cosines)[acting]), rel=1e-3)
    assert "turns the gradient" in found.answer


def test_a_bound_that_holds_the_run_back() -> None:
    found = Clipping(steps=STEPS).run(line(optax.chain(optax.clip_by_global_norm(0.1), optax.sgd(RATE))).lab())
    assert found.verdict == "suspicious", found
    assert "too low" in found.answer
    assert found["share_clipped"] > 0.5
    assert found["loss_at_the_end"] > 2 * found["loss_without_clipping"]


def test_a_clipping_that_alone_keeps_the_run_going() -> None:
    # beyond 2 over the largest curvature, SGD without clipping blows up
    found = Clipping(steps=STEPS).run(line(optax.chain(optax.clip_by_global_norm(1.0), optax.sgd(0.2))).lab())
    assert not found["loss_without_clipping"] < 1e3
    assert found.verdict == "suspicious", found
    assert "lower the learning rate" in found.answer.lower()


def test_gradients_that_are_wild_now_and_then() -> None:
    outlier = (BATCHES[3][0], BATCHES[3][1] + 300)
    batches = [*BATCHES[:3], outlier, *BATCHES[4:]]
    found = Clipping(steps=25).run(line(optax.sgd(RATE), batches).lab())
    assert (found["kind"], found["share_clipped"]) == ("none", 0.0)
    assert "Nothing is clipped" in found.answer
    ends = by_hand(np.inf, 25, batches=batches)[1][-2:].mean()
    assert found["loss_at_the_end"] == pytest.approx(ends, rel=1e-3)


def test_one_order_of_the_batches_decides_nothing() -> None:
    """With the run's own order the clipping seems to be needed; under other keys it may as well do harm."""
    targets = TARGETS + 3 * np.random.default_rng(1).normal(size=160).astype(np.float32)
    pairs = [(INPUTS[i : i + 2], targets[i : i + 2]) for i in range(0, 60, 2)]
    found = Clipping(steps=25).run(line(optax.chain(optax.clip_by_global_norm(10.0), optax.sgd(0.03)), pairs).lab())
    ours, free = np.array(found["loss_over_keys_own"]), np.array(found["loss_over_keys_free"])
    assert free[0] - ours[0] > 0.25 * (found["loss_at_first"] - ours[0])
    assert (free < ours).any()
    assert (found.verdict, "over 5 keys no difference that is certain" in found.answer) == ("ok", True), found


def test_a_bound_of_ones_own() -> None:
    found = Clipping(steps=25, bound=1.5).run(line(optax.sgd(RATE)).lab())
    assert found.rows[-1][1] == 1.5
    assert found.rows[-1][2] == np.mean(by_hand(1.5, 25)[2] > 1.5)


@pytest.mark.parametrize("options", [{"steps": 0}, {"bound": 0.0}, {"bound": np.inf}])
def test_options_out_of_range(options: Any) -> None:
    with pytest.raises(ValueError, match="positive"):
        Clipping(**options).run(line(optax.sgd(RATE)).lab())


NORM, VALUE = optax.clip_by_global_norm(0.05), optax.clip(0.003)
CLIPPED = {
    "sgd": (optax.chain(NORM, optax.sgd(0.1)), ("norm", 0.05, "gradients")),
    "momentum by value": (optax.chain(VALUE, optax.sgd(0.1, momentum=0.9)), ("value", 0.003, "gradients")),
    "adamw": (optax.chain(NORM, optax.adamw(1e-2)), ("norm", 0.05, "gradients")),
    "rmsprop": (optax.chain(NORM, optax.rmsprop(1e-2)), ("norm", 0.05, "gradients")),
    "behind adam": (optax.chain(optax.adam(1e-2), NORM), ("norm", 0.05, "updates")),
    "behind momentum": (optax.chain(optax.sgd(0.1, momentum=0.9), NORM), ("norm", 0.05, "updates")),
    "accumulated": (optax.MultiSteps(optax.chain(NORM, optax.adam(1e-2)), 3), ("norm", 0.05, "gradients")),
    "injected": (
        optax.inject_hyperparams(lambda learning_rate: optax.chain(NORM, optax.lion(learning_rate)))(1e-3),
        ("norm", 0.05, "gradients"),
    ),
}


@pytest.mark.parametrize("name", list(CLIPPED))
def test_what_is_clipped_and_where(name: str) -> None:
    tx, (kind, bound, place) = CLIPPED[name]
    found = find_clip(small_session(tx).lab().setup)
    assert found is not None
    assert (found.kind, found.place) == (kind, place)
    assert found.bound == pytest.approx(bound, rel=1e-3)


def test_each_tensor_by_itself() -> None:
    # a bound in proportion to the weights, which are not 0
    found = find_clip(classifier(tx=optax.chain(optax.adaptive_grad_clip(0.01), optax.sgd(0.1))).lab().setup)
    assert found is not None
    assert found.kind == "tensor"


# Adagrad's and Lion's updates are bounded by what they are
@pytest.mark.parametrize("tx", [optax.sgd(0.1), optax.adam(1e-2), optax.adagrad(0.1), optax.lion(1e-3), optax.sm3(0.1)])
def test_no_clipping(tx: Any) -> None:
    assert find_clip(small_session(tx).lab().setup) is None


def test_an_optimizer_without_its_clipping() -> None:
    adam = optax.adam(1e-2)
    freed = without_clipping(optax.chain(NORM, optax.chain(VALUE, adam)))
    params = {"a": jnp.ones(3), "b": jnp.ones(())}
    grads = jax.tree.map(lambda leaf: 7 * leaf, params)
    ours = freed.update(grads, optax.chain(NORM, optax.chain(VALUE, adam)).init(params), params)
    theirs = adam.update(grads, adam.init(params), params)
    assert jax.tree.all(jax.tree.map(jnp.array_equal, ours[0], theirs[0]))
    assert jax.tree.all(jax.tree.map(jnp.array_equal, ours[1][1][1], theirs[1]))
    assert without_clipping(adam) is None


def test_the_course_is_the_run_itself() -> None:
    run = small_session(optax.adam(1e-2), budget=0)
    found = course(run.lab(), optax.adam(1e-2), 50)
    assert found.losses == pytest.approx(list(run.run(50).timeline.losses), rel=1e-4)
