"""Trainings with batches of other sizes."""

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
from nnwidgets.explore.batches._batch_sizes import BatchSizes
from nnwidgets.explore.batches._ended import Data, End, look_at_end
from nnwidgets.explore.batches._regrouped import Way, is_normalised, regrouped, sizes_of, ways_of

from .conftest import small_loss, small_session

RANDOM = np.random.default_rng(0)
ROWS = RANDOM.normal(size=(128, 3)).astype(np.float32)
BATCHES = [ROWS[i : i + 8] for i in range(0, 128, 8)]


def test_every_row_comes_once_whatever_the_size() -> None:
    batches = [(np.arange(4) + 4 * i, np.arange(4) + 4 * i + 100) for i in range(5)]
    for size, count in ((1, 20), (4, 5), (8, 2), (3, 6)):
        first, second = regrouped(batches, size)
        assert first.shape == (count, size)
        assert first.ravel().tolist() == list(range(count * size))
        np.testing.assert_array_equal(second, first + 100)


def test_which_sizes_are_tried() -> None:
    assert sizes_of(32, (0.25, 1, 4, 16), 32 * 256, 10_000) == [32, 8, 128, 512]
    # four steps at least, and no row twice in a batch
    assert sizes_of(32, (0.25, 4, 16), 32 * 16, 10_000) == [32, 8, 128]
    assert sizes_of(32, (4, 16), 32 * 256, 128) == [32, 128]
    # one example has no spread of its own: not below two, but for a run that has just one
    assert sizes_of(4, (0.25,), 1024, 1000) == [4, 2]
    assert sizes_of(1, (0.25, 4), 1024, 1000) == [1, 4]


def test_rates_go_with_the_size() -> None:
    def factors(*args: Any, **more: Any) -> list[tuple[float, ...]]:
        return [(way.size, way.factor, way.multiplier) for way in ways_of(*args, **more)]

    assert factors([8, 32], 8, "linear", unscaled=True, is_sum=False) == [(8, 1, 1), (32, 4, 4), (32, 1, 1)]
    assert factors([32], 8, "square root", unscaled=False, is_sum=False) == [(32, 2, 2)]
    # a sum over the batch makes steps that are four times as long by itself
    assert factors([32], 8, "linear", unscaled=True, is_sum=True) == [(32, 4, 1), (32, 1, 0.25)]
    assert [way.scaled for way in ways_of([8, 32], 8, "linear", unscaled=True, is_sum=False)] == [True, True, False]
    assert ways_of([8], 8, "none", unscaled=True, is_sum=False) == [Way(8, 1.0, 1.0, True)]


@pytest.mark.parametrize(
    ("tx", "normalised"),
    [
        (optax.sgd(0.1), False), (optax.sgd(0.1, 0.9, nesterov=True), False), (optax.adamw(0.1), True),
        (optax.rmsprop(0.1), True), (optax.lion(0.1), True), (optax.chain(optax.clip(1.0), optax.adam(0.1)), True),
    ],
)  # fmt: skip
def test_which_optimizers_normalise(tx: Any, normalised: bool) -> None:
    assert is_normalised(tx.init({"w": jnp.ones(2)})) is normalised


def quadratic(params: Any, batch: Any) -> Any:
    return 0.5 * jnp.mean(jnp.sum((params["w"] - batch) ** 2 * jnp.array([1.0, 2.0, 4.0]), -1))


def session_of(loss: Any = quadratic, tx: Any = None, **more: Any) -> nnw.Session:
    objective = nnw.Objective(loss, {"w": jnp.full(3, 2.0)})
    return nnw.Session(objective, tx or optax.sgd(0.05), BATCHES, budget=0, **more)


def _descended(rows: np.ndarray, rate: float) -> np.ndarray:
    """By hand, in NumPy."""
    at = np.full(3, 2.0)
    for batch in rows:
        at = at - rate * np.array([1, 2, 4]) * (at - batch.mean(0))
    return at


@pytest.fixture(scope="module")
def found() -> Any:
    session = session_of(validation=[ROWS[:16] + 1, ROWS[16:32] + 1])
    result = run_experiment(BatchSizes(factors=(0.5, 1, 2), steps=16, seeds=2), session.lab())
    assert session.step == 0
    return result


def test_trainings_are_those_made_by_hand(found: Any) -> None:
    expected = [(4, 0.5, True), (4, 1.0, False), (8, 1.0, True), (16, 1.0, False), (16, 2.0, True)]
    assert list(zip(found["sizes"], found["rate_factors"], found["scaled"], strict=True)) == expected
    assert found["steps"] == [32, 32, 16, 8, 8]
    for k, (size, factor, _) in enumerate(expected):
        ends = []
        for seed in range(2):
            rows = ROWS.astype(np.float64).reshape(-1, size, 3)
            order = np.arange(len(rows)) if seed == 0 else np.random.default_rng(1).permutation(len(rows))
            ends.append(_descended(rows[order], 0.05 * factor))
        for name, data in (("train", ROWS[:64]), ("validation", ROWS[:32] + 1)):
            losses = [float(quadratic({"w": at.astype(np.float32)}, data)) for at in ends]
            assert found[name][k] == pytest.approx(np.mean(losses), rel=1e-4)
            assert found[f"{name}_low"][k] == pytest.approx(min(losses), rel=1e-4)
            assert found[f"{name}_high"][k] == pytest.approx(max(losses), rel=1e-4)
        # the Hessian is the same everywhere
        assert found["top"][k] == pytest.approx(4, rel=1e-3)
    assert (found["scaling"], found["measure"]) == ("linear", "validation")
    assert [row[2] for row in found.rows] == pytest.approx([0.05 * factor for _, factor, _ in expected])


def test_no_sharpness_is_seen_where_there_is_none(found: Any) -> None:
    assert found["sharper"] is False
    assert (
        "That large batches end where the loss is sharper is not seen here: the largest eigenvalue is 4 at 4"
        in found.answer
    )
    assert "Rates were scaled linearly" in found.caution
    assert len(found.pictures) == 4
    json.loads(found.to_json())


def test_large_batches_that_end_in_a_sharp_place_are_seen() -> None:
    # it starts in a narrow well beside a wide valley; the noise of small batches throws it out, that of large ones does not
    def valleys(params: Any, batch: Any) -> Any:
        x = params["w"][0] - 2
        return 50 + 0.1 * (x - 3) ** 2 - jnp.exp(-50 * x**2) + 20 * jnp.mean(batch[:, 0]) * x

    session = session_of(valleys, optax.sgd(0.01))
    found = BatchSizes(factors=(0.25, 2), steps=16, scaling="none").run(session.lab())
    assert found["sizes"] == [2, 8, 16]
    assert found["top_high"][0] == pytest.approx(0.2, rel=0.01)
    assert found["top_low"][2] > 10
    assert found["sharper"] is True
    assert "Large batches end where the loss is sharper: the largest eigenvalue is 0.2 at 2 and" in found.answer
    assert "Rates were not scaled" in found.caution


def test_ends_at_other_losses_are_not_compared() -> None:
    """The fourth power is the sharper the further away one is: large batches, which make few steps, end far away."""

    def quartic(params: Any, batch: Any) -> Any:
        return jnp.mean((params["w"] + 0 * batch) ** 4)

    found = BatchSizes(factors=(0.25, 4), steps=16, scaling="none").run(session_of(quartic, optax.sgd(0.02)).lab())
    assert found["train"][-1] > 1.5 * found["train"][0] and found["top"][-1] > found["top"][0]
    assert found["sharper"] is None
    assert "How sharp the ends are can't be compared: the largest eigenvalue is" in found.answer


def test_few_large_steps_are_told_to_be_worse() -> None:
    # batches of 64 at a rate that needs many steps
    data = [ROWS[:64] + np.float32(0.001 * i) for i in range(16)]
    session = nnw.Session(nnw.Objective(quadratic, {"w": jnp.full(3, 9.0)}), optax.sgd(0.01), data, budget=0)
    found = BatchSizes(factors=(0.25,), steps=16).run(session.lab())
    assert found.verdict == "suspicious"
    assert (found["best_size"], found["best_factor"]) == (16, 1.0)
    assert "of batches of 16 at the run's learning rate; yours of 64 end at" in found.answer


def test_a_run_whose_size_does_well_is_left_alone() -> None:
    found = BatchSizes(factors=(0.5, 4), steps=128).run(small_session(optax.adam(0.02), budget=0).lab())
    assert found.verdict == "ok", found
    assert found["scaling"] == "square root"
    assert "as for optimizers that normalise" in found.caution


def test_a_sum_over_the_batch_is_counted_in_the_rates() -> None:
    def total(params: Any, batch: Any) -> Any:
        return len(batch) * quadratic(params, batch)

    mean, summed = (
        BatchSizes(factors=(2,), steps=16, seeds=1).run(session_of(loss, optax.sgd(rate)).lab())
        for loss, rate in ((quadratic, 0.05), (total, 0.05 / 8))
    )
    assert "a sum over the batch" in summed.caution
    # of the same ends, the sum over 8 rows
    np.testing.assert_allclose(summed["train"], 8 * np.array(mean["train"]), rtol=1e-4)


def test_a_state_is_brought_up_to_date_before_it_is_looked_at() -> None:
    def loss(params: Any, batch: Any, *, state: Any, train: bool) -> Any:
        mean = batch.mean(0) if train else state["mean"]
        return jnp.mean((batch - mean) ** 2) + jnp.sum(params["w"] ** 2), {
            "state": {"mean": 0.99 * state["mean"] + 0.01 * batch.mean(0)}
        }

    objective = nnw.Objective(loss, {"w": jnp.zeros(3)}, {"mean": jnp.full(3, 10.0)})
    batches = jnp.asarray(np.stack(BATCHES))
    end = End(objective.params, objective.state, jax.random.key(0))
    look = jax.jit(look_at_end(objective, 1e-3))
    stale, settled = (
        look(end, Data(batches, batches, None, settle)) for settle in (None, jnp.concatenate([batches] * 60))
    )
    assert stale.train == pytest.approx(np.mean((ROWS - 10) ** 2), rel=1e-3)
    assert settled.train == pytest.approx(np.mean(ROWS**2), rel=0.02)
    assert np.isnan(settled.validation)
    assert settled.top == pytest.approx(2, rel=1e-3)


def test_trainings_that_diverge() -> None:
    found = run_experiment(BatchSizes(factors=(4,), steps=64, seeds=1), session_of(tx=optax.sgd(0.4)).lab())
    assert np.isnan(found["train"][found["rate_factors"].index(4.0)]) or found["train"][-1] > 1e6
    everything = run_experiment(BatchSizes(factors=(2,), steps=128, seeds=1), session_of(tx=optax.sgd(30.0)).lab())
    assert everything.verdict == "wrong"
    assert "Every training diverged" in everything.answer


def test_it_tells_what_it_has_when_it_is_stopped() -> None:
    lab = session_of().lab()
    lab.stopped = lambda: True
    found = run_experiment(BatchSizes(steps=16), lab)
    assert not found.complete
    assert found["sizes"] == [8]


def test_a_loss_of_one_batch_size() -> None:
    session = session_of(lambda params, batch: quadratic(params, batch.reshape(8, 3)))
    found = BatchSizes(steps=16).run(session.lab())
    assert found.verdict == "unknown"
    assert "does not take batches of another size (2 rows: " in found.answer


@pytest.mark.parametrize("options", [{"factors": (0.0,)}, {"steps": 2}, {"seeds": 0}, {"scaling": "sqrt"}])
def test_bad_options_are_named(options: Any) -> None:
    with pytest.raises(
        ValueError, match="batch sizes needs positive factors, steps of at least 4, at least one seed and a sc"
    ):
        BatchSizes(**options).run(session_of().lab())


def test_the_loss_of_conftest_is_learned_with_every_size() -> None:
    # the end of a training with the run's own batches is the session's own
    session = small_session(optax.sgd(0.05), budget=0)
    found = BatchSizes(factors=(4,), steps=16, seeds=1).run(session.lab())
    session.run(16)
    loss = np.mean([small_loss(session.params, batch) for batch in session.lab().fresh(8)])
    assert found["train"][0] == pytest.approx(float(loss), rel=1e-4)
