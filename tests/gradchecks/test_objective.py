"""Checks of an objective: few examples, data loss and penalty apart, every framework, corners at the first step."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import nnwidgets as nnw
from nnwidgets.gradchecks import ObjectiveCheck
from tests import models

KEY = jax.random.key(0)
RANDOM = np.random.default_rng(0)
X = RANDOM.standard_normal((16, 3)).astype(np.float32)
Y = RANDOM.standard_normal(16).astype(np.float32)
PARAMS = {"b": np.float32(0.5), "w": np.array([1.0, -2.0, 0.5], np.float32)}


@jax.custom_vjp
def forgetful(x: Any) -> Any:
    return x**2


forgetful.defvjp(lambda x: (x**2, x), lambda x, g: (1.5 * x * g,))


def check(loss_fn: Any, params: Any = PARAMS, batch: Any = (X, Y), **options: Any) -> Any:
    objective = nnw.Objective(loss_fn, params)
    return ObjectiveCheck(objective)(objective.params, None, batch, KEY, **{"tier": "quick", **options})


def regression(params: Any, batch: Any) -> Any:
    x, y = batch
    return jnp.mean((x @ params["w"] + params["b"] - y) ** 2)


def test_the_first_examples_are_used_where_it_is_clear_what_these_are() -> None:
    wanted = ((X[:8].astype(np.float64) @ PARAMS["w"] + PARAMS["b"] - Y[:8]) ** 2).mean()
    report = check(regression)
    assert report.ok and report.examples == 8
    assert report.loss["loss"] == pytest.approx(wanted, rel=1e-12)
    assert check(regression, examples=None).examples is None
    assert check(regression, examples=16).examples is None
    # an array of another length: who knows what the examples are
    with_weights = {"x": X, "y": Y, "weights": np.ones(3, np.float32)}
    report = check(
        lambda params, batch: regression(params, (batch["x"] * batch["weights"], batch["y"])), batch=with_weights
    )
    assert report.ok and report.examples is None


def test_batches_of_equal_arrays_in_other_places_are_other_losses() -> None:
    """One program for each: which array stands where is part of it."""

    def loss(params: Any, batch: Any) -> Any:
        x, _, large = batch
        return regression(params, (x, Y[: len(x)])) * (1.0 if large is None else 5.0 * large.mean())

    objective, weights = nnw.Objective(loss, PARAMS), np.ones(16, np.float32)
    checker = ObjectiveCheck(objective)
    found = [
        checker(objective.params, None, batch, KEY, tier="quick").loss["loss"]
        for batch in ((X, weights, None), (X, None, weights))
    ]
    assert found[1] == pytest.approx(5 * found[0], rel=1e-12)


@pytest.mark.parametrize("examples", [0, -3, "all", 2.0])
def test_numbers_of_examples_that_are_none(examples: Any) -> None:
    with pytest.raises(ValueError, match="examples must be a whole number of at least 1, got"):
        check(regression, examples=examples)


def test_what_is_lost_in_the_own_precision_is_put_into_words() -> None:
    """Gradients of 1e-9 vanish in float16, and those of 1e-7 lose most of their digits."""

    def loss(params: Any, batch: Any) -> Any:
        x, y = batch
        outputs = (x.astype(jnp.float16) @ params["w"].astype(jnp.float16)).astype(jnp.float32)
        return 1e-7 * jnp.mean((outputs + params["b"] - y) ** 2)

    report = check(loss)
    assert report.ok and [each.path for each in report.tensors] == ["b", "w"]
    lost, kept = report.tensors[1], report.tensors[0]
    assert lost.own_error is not None and lost.own_error > 0.1
    assert lost.words == f"in the model's own precision it is off by {lost.own_error:.0%}" and not kept.words


def test_a_loop_whose_examples_end_at_their_own_times() -> None:
    """Under vmap a while loop has a condition for each example; those that have ended stay as they are."""

    def loss(params: Any, batch: Any) -> Any:
        def times(x: Any, count: Any) -> Any:
            return jax.lax.while_loop(lambda c: c[0] < count, lambda c: (c[0] + 1, 2 * c[1]), (0, jnp.ones(())))[1] * x

        return jax.vmap(times)(batch[0] @ params["w"], jnp.arange(8) % 5).sum()

    report = check(loss, {"w": PARAMS["w"]}, (X[:8], Y[:8]))
    wanted = (X[:8].astype(np.float64) @ PARAMS["w"] * 2.0 ** (np.arange(8) % 5)).sum()
    assert report.ok and report.loss["loss"] == pytest.approx(wanted, rel=1e-12)


def test_a_loss_that_needs_its_whole_batch_gets_it() -> None:
    def loss(params: Any, batch: Any) -> Any:
        x, y = batch
        return regression(params, (x.reshape(16, 3), y))

    report = check(loss)
    assert report.ok and report.examples is None


def with_penalty(data: Any, factor: float, penalty: Any = None) -> Any:
    def loss(params: Any, batch: Any) -> Any:
        cost = factor * (penalty or (lambda w: jnp.sum(w**2)))(params["w"])
        return data(params, batch) + cost, {"penalty": cost}

    return loss


def test_data_loss_and_penalty_are_apart() -> None:
    report = check(with_penalty(regression, 0.1), examples=None)
    residuals = X.astype(np.float64) @ PARAMS["w"] + PARAMS["b"] - Y
    data = {"w": 2 * X.T.astype(np.float64) @ residuals / 16, "b": 2 * residuals.mean()}
    penalty = {"w": 0.2 * PARAMS["w"], "b": 0.0}
    assert report.ok
    assert report.loss == {
        "data": pytest.approx((residuals**2).mean(), rel=1e-6),
        "penalty": pytest.approx(0.1 * 5.25, rel=1e-6),
    }
    for each in report.tensors:
        sizes = [np.linalg.norm(data[each.path]), np.linalg.norm(penalty[each.path])]
        assert list(each.shares) == ["data", "penalty"] and sum(each.shares.values()) == pytest.approx(1.0)
        np.testing.assert_allclose(list(each.shares.values()), np.array(sizes) / sum(sizes), rtol=1e-6)
    assert not check(regression).tensors[0].shares


@pytest.mark.parametrize("tier", ["quick", "full", "whole"])
def test_a_fault_in_the_data_gradient_behind_a_huge_penalty(tier: str) -> None:
    """In the sum it would be 0.1 thousandth, below what any tolerance lets pass."""

    def faulty(params: Any, batch: Any) -> Any:
        x, y = batch
        return jnp.mean(forgetful(x @ params["w"] + params["b"] - y))

    report = check(with_penalty(faulty, 1e4), tier=tier)
    share = {each.path: each.shares["data"] for each in report.tensors}
    assert share["w"] < 1e-3
    assert [report.verdict("b"), report.verdict("w")] == ["wrong", "wrong"]
    healthy = check(with_penalty(regression, 1e4), tier=tier)
    assert healthy.ok, healthy


def test_a_fault_in_the_penalty_alone() -> None:
    report = check(with_penalty(regression, 1e-4, penalty=lambda w: jnp.sum(forgetful(w))))
    assert [report.verdict("b"), report.verdict("w")] == ["ok", "wrong"]


def test_an_unreached_parameter() -> None:
    params = {**PARAMS, "unused": np.ones(2, np.float32)}
    report = check(regression, params)
    assert report.verdict("unused") == "unreached" and report.ok
    assert report.headline == "gradient check (quick, float64): 2 of 3 tensors are right (1 unreached)"
    # behind a stop_gradient it is reached, and its gradient is not the slope
    stopped = check(lambda p, batch: regression(p, batch) * jax.lax.stop_gradient(p["unused"].sum()), params)
    assert stopped.verdict("unused") == "stopped"


def test_complex_parameters() -> None:
    params = {"phase": np.array([1j, 2 - 1j], np.complex64), "w": PARAMS["w"]}
    report = check(lambda p, batch: jnp.abs(p["phase"] ** 2).sum() * (batch[0] @ p["w"]).sum(), params, tier="full")
    assert [report.verdict("phase"), report.verdict("w")] == ["ok", "ok"]
    assert report.tensors[0].shape == (2, 2) and report.tensors[0].own_error is not None
    sampled = {index for index in report.tensors[0].sampled if index != "direction"}
    assert sampled == {"0", "1", "2", "3"}, "both parts of both numbers"


def black_background(params: Any, batch: Any) -> Any:
    """A convolution with bias 0 over images that are black at their rims: ReLUs that sit at their corner."""
    x, y = batch
    x = jax.lax.conv_general_dilated(x, params["w"], (1, 1), "SAME", dimension_numbers=("NHWC", "HWIO", "NHWC"))
    x = jax.nn.relu(x + params["b"]).mean((1, 2))
    return jnp.mean((x @ params["head"] - y) ** 2)


IMAGES = np.zeros((4, 8, 8, 1), np.float32)
IMAGES[:, 2:6, 2:6] = RANDOM.random((4, 4, 4, 1))
CONV = {
    "b": np.zeros(5, np.float32),
    "head": RANDOM.standard_normal(5).astype(np.float32),
    "w": RANDOM.standard_normal((3, 3, 1, 5)).astype(np.float32),
}


@pytest.mark.parametrize("tier", ["quick", "full"])
def test_the_first_step_on_a_black_background_is_a_kink_not_a_fault(tier: str) -> None:
    report = check(black_background, CONV, (IMAGES, Y[:4]), tier=tier)
    assert [report.verdict("b"), report.verdict("head"), report.verdict("w")] == ["kink", "ok", "ok"]
    left, right = report.tensors[0].slopes or (0.0, 0.0)
    assert abs(left - right) > 0.01 * max(abs(left), abs(right))
    # slopes of the loss itself, to both sides: JAX's gradient counts the background as off
    assert report.ok and "1 kink" in report.headline


def test_a_fault_at_a_kink_is_a_fault() -> None:
    def loss(params: Any, batch: Any) -> Any:
        return black_background({**params, "b": forgetful(params["b"] + 1) - 1}, batch)

    report = check(loss, CONV, (IMAGES, Y[:4]))
    assert [report.verdict("b"), report.verdict("head"), report.verdict("w")] == ["wrong", "ok", "ok"]


def test_the_whole_model_at_once_at_a_kink() -> None:
    """Where the point close by is at no corner either, one look tells; else each tensor is looked at."""
    report = check(black_background, CONV, (IMAGES, Y[:4]), tier="whole")
    assert report.ok
    corners = "the loss has corners at this very point; at a point close by everything agrees"
    assert report.notes == (corners,) or report.verdict("b") == "kink"


@pytest.mark.parametrize("framework", models.FRAMEWORKS)
def test_every_framework(framework: str) -> None:
    """Norms, dropout by key, attention, loops, batch statistics as state: right as they are, in float64."""
    objective, batch, _ = models.make(framework)
    report = ObjectiveCheck(objective)(objective.params, objective.state, batch, KEY, tier="whole")
    assert report.ok, report
    assert [each.path for each in report.tensors] == list(objective.paths)
    assert report.precision == "float64"


def test_one_check_serves_many_points_and_shapes() -> None:
    told: list[str] = []
    objective = nnw.Objective(regression, PARAMS)
    run = ObjectiveCheck(objective)
    for scale in (1.0, 2.0):
        params = jax.tree.map(lambda leaf, scale=scale: scale * leaf, objective.params)
        report = run(params, None, (X, Y), KEY, tier="quick", told=told.append)
        assert report.ok
    assert told.count("checking gradients: tracing the loss") == 1
    assert run(objective.params, None, (X[:5], Y[:5]), KEY, tier="quick", told=told.append).examples is None
    assert told.count("checking gradients: tracing the loss") == 2


def test_a_key_decides_what_is_dropped() -> None:
    def loss(params: Any, batch: Any, *, rng: Any) -> Any:
        x, y = batch
        kept = jax.random.bernoulli(rng, 0.5, x.shape)
        return regression(params, (jnp.where(kept, x, 0), y))

    objective = nnw.Objective(loss, PARAMS)
    run = ObjectiveCheck(objective)
    losses = [
        run(objective.params, None, (X, Y), jax.random.key(k), tier="quick", examples=None).loss["loss"]
        for k in (0, 0, 1)
    ]
    assert losses[0] == losses[1] != losses[2]
    kept = np.asarray(jax.random.bernoulli(jax.random.key(1), 0.5, X.shape))
    wanted = ((np.where(kept, X, 0).astype(np.float64) @ PARAMS["w"] + PARAMS["b"] - Y) ** 2).mean()
    assert losses[2] == pytest.approx(wanted, rel=1e-12)
