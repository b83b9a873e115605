"""Sharpness, on a run whose Hessian is known."""

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
from nnwidgets.explore.curvature._sharpness import Sharpness

RANDOM = np.random.default_rng(0)
BATCHES = [RANDOM.normal(size=(16, 6)).astype(np.float32) for _ in range(8)]
START = RANDOM.normal(size=6).astype(np.float32)


def dropped_loss(params: Any, batch: Any, *, rng: Any, state: Any, train: bool) -> Any:
    """Half the mean square of x w, in training of twice half of them; what is stored in the state scales it in evaluation."""
    at = params["w"] * (2 * jax.random.bernoulli(rng, 0.5, (6,)) if train else state["scale"])
    return 0.5 * jnp.mean((batch @ at) ** 2), {"state": {"scale": state["scale"] + train}}


def session_of(loss: Any = dropped_loss, params: Any = None, state: Any = None, steps: int = 0) -> nnw.Session:
    state = {"scale": jnp.full((), 3.0)} if loss is dropped_loss else state
    params = {"w": jnp.asarray(START)} if params is None else params
    session = nnw.Session(nnw.Objective(loss, params, state), optax.sgd(0.0), BATCHES, budget=0)
    return session.run(steps) if steps else session


@pytest.fixture(scope="module")
def found() -> nnw.records.Exploration:
    return run_experiment(Sharpness(batches=4), session_of().lab())


def test_eigenvalues_and_trace_are_those_of_the_mean_loss_in_evaluation(found: Any) -> None:
    rows = np.concatenate(BATCHES[:4]).astype(np.float64)
    hessian = 9 * rows.T @ rows / len(rows)
    np.testing.assert_allclose(found["eigenvalues"], np.linalg.eigvalsh(hessian)[::-1][:3], rtol=1e-3)
    assert found["trace_low"] <= np.trace(hessian) <= found["trace_high"]
    assert found["trace"] == pytest.approx(np.trace(hessian), rel=0.1)
    assert f"below a learning rate of {2 / found['top_eigenvalue']:.2g}" in found.answer


def test_the_box_is_searched_to_its_corners(found: Any) -> None:
    rows = np.concatenate(BATCHES[:4]).astype(np.float64)
    corners = np.stack(np.meshgrid(*[[-1, 1]] * 6), -1).reshape(-1, 6) * 1e-3 * (np.abs(START) + 1)

    def loss(at: Any) -> Any:
        return 4.5 * np.mean((rows @ at.T) ** 2, 0)

    # a convex function is highest in a corner
    highest, here = loss(START + corners).max(), float(loss(START[None])[0])
    assert found["loss"] == pytest.approx(here, rel=1e-4)
    assert found["keskar"] == pytest.approx(100 * (highest - here) / (1 + here), rel=0.01)
    assert found["slope_share"] > 0.9
    assert "still goes downhill" in found.caution


def test_the_picture_shows_the_loss_along_both_directions(found: Any) -> None:
    worst, sharpest = found.pictures[0].lines
    assert worst.y[-1] == pytest.approx(found["highest_loss"], rel=1e-5)
    assert worst.y[10] == sharpest.y[10] == pytest.approx(found["loss"], rel=1e-5)
    # the second difference over the curve is its curvature
    length = np.linalg.norm((np.abs(START) + 1) * 1e-3)
    bent = (sharpest.y[0] + sharpest.y[-1] - 2 * sharpest.y[10]) / length**2
    assert bent == pytest.approx(found["top_eigenvalue"], rel=0.2)
    json.loads(found.to_json())
    assert [row[0] for row in found.rows][:2] == ["eigenvalue 1", "eigenvalue 2"]


def test_the_models_state_is_the_present_one() -> None:
    rows = np.concatenate(BATCHES[:4]).astype(np.float64)
    found = Sharpness().run(session_of(steps=2).lab())
    # two steps of training have raised the scale from 3 to 5, and the rate of 0 has moved nothing; the batches are later ones
    rows = np.concatenate(BATCHES[2:6]).astype(np.float64)
    assert found["top_eigenvalue"] == pytest.approx(25 * np.linalg.eigvalsh(rows.T @ rows / len(rows))[-1], rel=1e-3)


def test_a_saddle_is_no_minimum() -> None:
    def saddle(params: Any, batch: Any) -> Any:
        return 5 + jnp.sum(params["w"][:3] ** 2) - jnp.sum(params["w"][3:] ** 2) + 0 * batch.mean()

    found = Sharpness().run(session_of(saddle).lab())
    assert found["top_eigenvalue"] == pytest.approx(2, rel=1e-3)
    assert found["lowest_eigenvalue"] == pytest.approx(-2, rel=1e-3)
    assert "curved downwards, by 2: this is no minimum" in found.caution


def test_it_tells_what_it_has_when_it_is_stopped() -> None:
    lab = session_of().lab()
    lab.stopped = lambda: True
    found = run_experiment(Sharpness(), lab)
    assert not found.complete
    assert "eigenvalues" in found.numbers
    assert "trace" not in found.numbers
    assert "sharpest direction" in found.answer


def test_what_can_not_be_measured_is_told() -> None:
    nothing = Sharpness().run(session_of(params={"w": jnp.full(6, jnp.nan)}).lab())
    assert (nothing.verdict, "the loss in evaluation is nan" in nothing.answer) == ("unknown", True)
    half = Sharpness().run(
        session_of(lambda params, batch: jnp.mean((batch @ params["w"]) ** 2), {"w": jnp.ones(6, jnp.bfloat16)}).lab()
    )
    assert (half.verdict, "float32" in half.answer) == ("unknown", True)


def test_bad_options_are_named() -> None:
    with pytest.raises(ValueError, match=r"sharpness needs .* got batches=0, eigenvalues=3, samples=30, epsilon=0.001"):
        Sharpness(batches=0).run(session_of().lab())
