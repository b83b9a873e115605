"""The loss surface: its points against plain evaluations, and the path that is drawn on it."""

from __future__ import annotations

import json
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import nnwidgets as nnw
from nnwidgets.explore import run_experiment
from nnwidgets.explore.curvature._loss_surface import LossSurface
from nnwidgets.explore.curvature._plane import filter_directions
from nnwidgets.explore.curvature._surface import surface
from nnwidgets.records import Grid

from .conftest import small_loss, small_session


def _moved(params: Any, *steps: tuple[float, Any]) -> Any:
    for length, direction in steps:
        params = jax.tree.map(lambda leaf, step, length=length: leaf + np.float32(length) * step, params, direction)
    return params


def _mean(loss: Any, params: Any, batches: Any) -> float:
    return float(np.mean([float(loss(params, batch)) for batch in batches]))


@pytest.fixture(scope="module")
def trained() -> nnw.Session:
    return small_session(budget=0).run(60)


@pytest.fixture(scope="module")
def found(trained: nnw.Session) -> Any:
    return run_experiment(LossSurface(points=9, batches=3, reach=0.5), trained.lab())


def test_points_are_the_losses_there(trained: nnw.Session, found: Any) -> None:
    grid, batches = found.pictures[1], trained.lab().fresh(3)
    first, second = filter_directions(trained.params, 2)
    for i, k in ((0, 0), (2, 7), (4, 4), (8, 3)):
        there = _moved(trained.params, (grid.xs[k], first), (grid.ys[i], second))
        assert grid.values[i, k] == pytest.approx(_mean(small_loss, there, batches), rel=1e-4)
    line = found.pictures[0].lines[0]
    np.testing.assert_allclose(line.y, grid.values[4])
    np.testing.assert_allclose(line.x, np.linspace(-0.5, 0.5, 9))
    np.testing.assert_allclose([row[2] for row in found.rows], grid.values[:, 4])
    assert grid.log
    json.loads(found.to_json())


def test_the_path_lies_where_the_saved_states_have_their_losses(trained: nnw.Session, found: Any) -> None:
    grid = found.pictures[2]
    assert isinstance(grid, Grid)
    saved, lab = {each.step: each for each in trained.lab().visited()}, trained.lab()
    assert found["path_steps"][0] == 0
    assert found["path_steps"][-1] == 60
    assert np.isclose(grid.xs, 0, atol=1e-9).any()
    assert np.isclose(grid.ys, 0, atol=1e-9).any()
    start = np.concatenate([np.ravel(leaf) for leaf in jax.tree.leaves(saved[0].params)])
    end = np.concatenate([np.ravel(leaf) for leaf in jax.tree.leaves(trained.params)])
    # the first coordinates are nearly all of the way
    share = np.sum(np.square(found["path"][0])) / np.sum((start - end) ** 2)
    assert 0.8 < share <= 1.0001
    assert sum(found["explained"]) > 0.8
    assert grid.path.tolist() == found["path"]
    assert f"The {len(found['path_steps'])} saved states" in found.answer
    # the value nearest to the start is about the loss there
    i, k = np.argmin(np.abs(grid.ys - found["path"][0][1])), np.argmin(np.abs(grid.xs - found["path"][0][0]))
    assert grid.values[i, k] == pytest.approx(_mean(small_loss, saved[0].params, lab.fresh(3)), rel=0.5)


def test_rows_of_points_side_by_side(trained: nnw.Session, found: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jax, "default_backend", lambda: "gpu")
    lab = nnw.Session(nnw.Objective(small_loss, trained.params), optax.sgd(0.1), trained.lab().fresh(3), budget=0).lab()
    again = LossSurface(points=9, batches=3, reach=0.5).run(lab)
    np.testing.assert_allclose(again.pictures[1].values, found.pictures[1].values, rtol=1e-5)


def test_it_is_one_compiled_call_a_batch(trained: nnw.Session) -> None:
    calls = []

    def counted(params: Any, batch: Any) -> Any:
        calls.append(1)
        return small_loss(params, batch)

    lab = nnw.Session(nnw.Objective(counted, trained.params), optax.sgd(0.1), trained.lab().batches, budget=0).lab()
    LossSurface(points=9, batches=1).run(lab)
    traced = len(calls)
    LossSurface(points=9, batches=4, seed=1).run(lab)
    assert len(calls) == traced
    assert surface(lab.objective)._cache_size() == 1


def test_where_the_loss_doubles() -> None:
    # along a filter's own direction w moves to w (1 + t d): a quadratic whose directions are all alike
    def loss(params: Any, batch: Any) -> Any:
        return 1 + jnp.sum((params["w"] - 1) ** 2) + 0 * batch.mean()

    session = nnw.Session(
        nnw.Objective(loss, {"w": jnp.ones((2, 1))}), optax.sgd(0.1), [np.ones((4, 1), np.float32)] * 3
    )
    found = LossSurface(points=21, reach=2).run(session.lab())
    # the filter's norm squared is 2: 1 + 2 t^2 is 2 at the root of 1/2
    assert found["doubled_at"] == pytest.approx(np.sqrt(0.5), abs=0.02)
    assert (found["lower_share"], found["curved_down_share"]) == (0, 0)
    assert "like a bowl" in found.answer
    assert "takes 3 different saved states, and there are 1" in found.answer
    assert len(found.pictures) == 2


def test_a_cap_is_no_bowl_and_a_negative_loss_has_no_double() -> None:
    def loss(params: Any, batch: Any) -> Any:
        return -1 - jnp.sum((params["w"] - 1) ** 2) + 0 * batch.mean()

    session = nnw.Session(
        nnw.Objective(loss, {"w": jnp.ones((2, 1))}), optax.sgd(0.1), [np.ones((4, 1), np.float32)] * 3
    )
    found = LossSurface(points=11).run(session.lab())
    assert found["curved_down_share"] == 1
    assert found["lower_share"] > 0.9
    assert np.isnan(found["doubled_at"])
    assert (
        "The loss is -1; along two random directions it is not convex (100% of it curved downwards); 99% of"
        in found.answer
    )
    assert not found.pictures[1].log


def test_evaluation_mode_with_the_present_state() -> None:
    def loss(params: Any, batch: Any, *, rng: Any, state: Any, train: bool) -> Any:
        kept = jax.random.bernoulli(rng, 0.5, batch.shape) * 2.0 if train else state["scale"]
        value = jnp.mean((batch * kept @ params["w"] - 1) ** 2)
        return value, {"state": {"scale": state["scale"] + train}}

    inputs = np.random.default_rng(0).normal(size=(4, 8, 3)).astype(np.float32)
    objective = nnw.Objective(loss, {"w": jnp.ones((3, 2))}, {"scale": jnp.zeros(())})
    session = nnw.Session(objective, optax.sgd(0.01), list(inputs), budget=0).run(3)
    found = LossSurface(points=5, batches=2).run(session.lab())
    batches = session.lab().fresh(2)
    expected = np.mean([np.mean((3 * batch @ np.asarray(session.params["w"]) - 1) ** 2) for batch in batches])
    assert found["loss"] == pytest.approx(expected, rel=1e-4)
    assert "running statistics" in found.caution


def test_it_tells_what_it_has_when_it_is_stopped(trained: nnw.Session) -> None:
    lab = trained.lab()
    lab.stopped = lambda: True
    found = run_experiment(LossSurface(points=9), lab)
    assert not found.complete
    # the first plane on the first batch
    assert len(found.pictures) == 2
    assert found["loss"] == pytest.approx(_mean(small_loss, trained.params, lab.fresh(1)), rel=1e-4)


def test_losses_that_are_not_finite() -> None:
    def loss(params: Any, batch: Any) -> Any:
        return jnp.log(jnp.sum(params["w"])) + 0 * batch.mean() + 2

    session = nnw.Session(
        nnw.Objective(loss, {"w": jnp.ones((2, 1))}), optax.sgd(0.1), [np.ones((4, 1), np.float32)] * 3
    )
    found = run_experiment(LossSurface(points=11, reach=4), session.lab())
    assert np.isnan(found.pictures[1].values).any()
    assert found.verdict == "ok"
    nothing = nnw.Session(
        nnw.Objective(loss, {"w": -jnp.ones((2, 1))}), optax.sgd(0.1), [np.ones((4, 1), np.float32)] * 3
    )
    assert run_experiment(LossSurface(points=11), nothing.lab()).verdict == "unknown"


@pytest.mark.parametrize("options", [{"points": 20}, {"points": 3}, {"batches": 0}, {"reach": -1.0}])
def test_bad_options_are_named(trained: nnw.Session, options: Any) -> None:
    with pytest.raises(
        ValueError, match="loss surface needs an odd number of points, at least 5, at least one batch and a pos"
    ):
        LossSurface(**options).run(trained.lab())
