"""The range test and the map against plain loops of Optax steps, and on a quadratic whose edge is known."""

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
from nnwidgets.explore._lanes import orders
from nnwidgets.explore._rates import ends
from nnwidgets.explore.learning_rate._learning_rate_map import LearningRateMap
from nnwidgets.explore.learning_rate._learning_rate_range import LearningRateRange
from nnwidgets.explore.learning_rate._rate_unit import RELATIVE, unit_of
from nnwidgets.explore.learning_rate._rate_verdict import judge_rate
from nnwidgets.explore.learning_rate._regimes import best_of, mark_rates
from nnwidgets.explore.learning_rate._sweep import read_sweep, smooth
from nnwidgets.train import compiles

from .conftest import small_session

STEPS = 30
RANGE = LearningRateRange(steps=STEPS, repeats=1)
MAP = LearningRateMap(rates=5, decades=2.0, seeds=2, steps=STEPS)


def plain_losses(session: nnw.Session, tx: Any, factors: Any, order: Any, first: int = 0, seed: int = 0) -> list[float]:
    """The loss before each step of a loop as people write it."""
    objective, params, opt_state = session.objective, session.params, session.opt_state
    key, batches = session.lab().key, session.lab().batches
    key = jax.random.fold_in(key, seed) if seed else key
    gradient = jax.jit(
        lambda params, batch, key: jax.value_and_grad(objective, has_aux=True)(params, None, batch, key, True)
    )
    update, losses = jax.jit(tx.update), []
    for k, (factor, index) in enumerate(zip(factors, order, strict=True)):
        (loss, _), grads = gradient(params, batches[index], jax.random.fold_in(key, first + k))
        updates, opt_state = update(grads, opt_state, params)
        updates = optax.tree.scale(np.float32(factor), updates)
        params = optax.apply_updates(params, updates)
        losses.append(float(loss))
    return losses


def noisy_loss(params: Any, batch: Any, rng: Any) -> jax.Array:
    """The random numbers matter."""
    inputs, targets = batch
    noise = 0.1 * jax.random.normal(rng, targets.shape)
    return jnp.mean((jnp.tanh(inputs @ params["hidden"]) @ params["out"] - targets + noise) ** 2)


def noisy_session(tx: Any, steps: int = 0) -> nnw.Session:
    small = small_session()
    batches = small.lab().batches
    session = nnw.Session(nnw.Objective(noisy_loss, small.params), tx, batches, budget=0)
    return session.run(steps) if steps else session


def quadratic(rate: float, curvatures: Any = (5.0, 1.0, 0.2), tx: Any = None) -> nnw.Session:
    """0.5 sum c x^2: the Hessian is diag(c)."""

    def loss(params: Any, batch: Any) -> jax.Array:
        return 0.5 * jnp.sum(batch.mean() * jnp.asarray(curvatures) * params["x"] ** 2)

    tx = optax.sgd(rate) if tx is None else tx
    return nnw.Session(
        nnw.Objective(loss, {"x": jnp.ones(len(curvatures))}), tx, [np.ones((4, 1), np.float32)], budget=0
    )


def test_the_range_test_is_a_loop_of_steps() -> None:
    session = noisy_session(optax.adam(1e-2), steps=3)
    found = RANGE.run(session.lab())
    factors, order = np.geomspace(1e-4, 1e4, STEPS), np.arange(STEPS) % 8
    still = np.array(plain_losses(session, optax.adam(1e-2), np.zeros(STEPS), order, first=3))
    swept = np.array(plain_losses(session, optax.adam(1e-2), factors, order, first=3))
    (plot,) = found.pictures
    smoothed, each = plot.lines
    count = len(each.x)
    level = still.mean()
    top = level + 1.5 * max(level, float(-(swept - still)[:count].min()))
    np.testing.assert_allclose(each.y, np.minimum(level + swept - still, top)[:count], rtol=1e-4)
    np.testing.assert_allclose(each.x, 1e-2 * factors[:count], rtol=1e-5)
    average, expected = 0.0, []
    for k, change in enumerate((swept - still)[:count]):
        average = 0.8 * average + 0.2 * change
        expected.append(min(level + average / (1 - 0.8 ** (k + 1)), top))
    np.testing.assert_allclose(smoothed.y, expected, rtol=1e-4)


def test_the_map_is_a_loop_of_steps_for_each_rate_and_seed() -> None:
    session = noisy_session(optax.sgd(0.005, momentum=0.9))
    found = MAP.run(session.lab())
    np.testing.assert_allclose(found["rates"], 0.005 * np.array([0.1, 10**-0.5, 1, 10**0.5, 10]), rtol=1e-5)
    for row, factor in zip(found["losses"], MAP.factors, strict=True):
        for seed, order in enumerate(orders(2, STEPS, STEPS)):
            tx = optax.sgd(0.005, momentum=0.9)
            plain = plain_losses(session, tx, np.full(STEPS, factor), order, seed=seed)
            np.testing.assert_allclose(row[seed], ends(np.array(plain)), rtol=2e-4)
    grid, _ = found.pictures
    np.testing.assert_array_equal(grid.values, np.array(found["losses"]).T)
    # the runs' first order is the session's: its own next steps
    session.run(STEPS)
    own = np.asarray(session.timeline.losses, np.float64)
    np.testing.assert_allclose(found["losses"][2][0], own[-STEPS // 10 :].mean(), rtol=1e-5)


def test_just_below_the_edge_of_a_quadratic_it_falls_and_just_above_it_diverges() -> None:
    # 2 / 5 is the edge, and the present rate
    found = LearningRateMap(rates=3, decades=0.02, seeds=1, steps=600).run(quadratic(0.4).lab())
    below, at, above = found["losses"]
    assert below[0] < 1e-3
    # along the sharpest direction it jumps from side to side for ever
    assert at[0] == pytest.approx(2.5, rel=1e-3)
    assert above[0] > 1e6
    assert [found["marks"][0], found["marks"][2]] == ["good", "diverged"]


@pytest.mark.parametrize(
    ("rate", "verdict", "fault"), [(0.1, "ok", ""), (1.0, "wrong", "diverged"), (1e-5, "suspicious", "too low")]
)
def test_rates_of_a_quadratic(rate: float, verdict: str, fault: str) -> None:
    lab = quadratic(rate).lab()
    for experiment in (
        LearningRateRange(steps=60, repeats=1),
        LearningRateMap(rates=11, decades=10, seeds=1, steps=60),
    ):
        found = run_experiment(experiment, lab)
        assert (found.verdict, found["fault"]) == (verdict, fault), found
        assert found.complete
        assert (fault or "is fine") in found.answer.replace("diverges", "diverged")
        json.loads(found.to_json())
    assert found["good_to"] <= 0.4 < 0.4 * 10


def test_the_session_is_left_alone_and_a_second_call_compiles_nothing() -> None:
    session = small_session()
    session.run(2)
    before, step = jax.tree.map(np.array, session.params), session.step
    for experiment in (RANGE, MAP):
        experiment.run(session.lab())
        count = compiles().count
        first = experiment.run(session.lab())
        assert compiles().count == count
        # neither does one at another step, or at another multiplier
        session.run(1)
        lab = session.lab()
        count = compiles().count
        later = experiment.run(lab)
        assert compiles().count == count
        assert later["loss_present"] != first["loss_present"]
    jax.tree.map(np.testing.assert_array_equal, session.rewind(step).params, before)


def test_the_multiplier_counts() -> None:
    session = quadratic(0.1)
    lab = session.lab()
    lab.multiplier = 10.0
    found = LearningRateMap(rates=5, decades=4, seeds=1, steps=60).run(lab)
    # 0.1 times 10 diverges
    assert (found["fault"], found["present"]) == ("diverged", pytest.approx(1.0))
    found = LearningRateRange(steps=60, repeats=1).run(lab)
    assert (found["fault"], found["present"]) == ("diverged", pytest.approx(1.0))
    # the rate at which it has diverged is what it is without the multiplier
    plain = LearningRateRange(steps=60, repeats=1).run(session.lab())
    assert found["diverges"] == pytest.approx(plain["diverges"], rel=0.4)


def test_from_a_trained_state_nothing_falls() -> None:
    session = quadratic(0.3)
    session.run(400)
    found = LearningRateRange(steps=60, repeats=1).run(session.lab())
    assert found.verdict == "ok", found
    again = LearningRateRange(steps=60, repeats=1, start="first").run(session.lab())
    assert again["suggested"] is not None
    assert again["loss_without_learning"] == pytest.approx(3.1)


def test_where_nothing_falls_no_rate_is_fine() -> None:
    """A run that stands still, as one whose units are all dead."""
    still = nnw.Session(
        nnw.Objective(lambda params, batch: 1 + (0 * params["x"]).sum() + batch.sum(), {"x": jnp.ones(2)}),
        optax.sgd(0.1), [np.ones(3, np.float32)], budget=0,
    )  # fmt: skip
    found = LearningRateRange(steps=60, repeats=1).run(still.lab())
    assert (found.verdict, found["suggested"]) == ("unknown", None)
    assert "can't be judged from here" in found.answer and "fine" not in found.answer


def test_a_loss_that_is_not_finite_says_so() -> None:
    session = nnw.Session(
        nnw.Objective(lambda params, batch: jnp.log(-params["x"] ** 2).sum() + batch.sum(), {"x": jnp.ones(2)}),
        optax.sgd(0.1), [np.ones(3, np.float32)], budget=0,
    )  # fmt: skip
    for experiment in (RANGE, MAP):
        found = experiment.run(session.lab())
        assert (found.verdict, "not finite" in found.answer) == ("wrong", True)


def test_stopped_it_tells_what_it_has() -> None:
    lab = small_session().lab()
    lab.stopped = lambda: True
    # eight runs are through: none, the present rate, and the two rates next to it
    found = run_experiment(MAP, lab)
    assert not found.complete
    assert len(found["rates"]) == 3
    assert found["rates"][1] == pytest.approx(1e-2, rel=1e-3)


def test_costs_are_those_of_the_steps() -> None:
    lab = small_session().lab()
    assert LearningRateMap().cost(lab).steps == (16 + 1) * 4 * 100
    assert LearningRateRange().cost(lab).steps == 4 * 3 * 100


def test_the_unit_is_the_rate_where_it_is_known() -> None:
    assert unit_of(small_session(optax.adam(1e-3)).lab()).words(2) == "0.002"
    injected = optax.inject_hyperparams(optax.sgd)(learning_rate=0.5)
    assert unit_of(small_session(injected).lab()).present == 0.5
    scheduled = optax.adam(optax.cosine_decay_schedule(0.1, 100))
    assert unit_of(small_session(scheduled).lab()) is RELATIVE
    unknown = optax.chain(optax.scale_by_adam(), optax.masked(optax.scale(-1e-3), {"hidden": True, "out": False}))
    assert unit_of(small_session(unknown).lab()).present > 0


@pytest.mark.parametrize(
    ("experiment", "words"),
    [
        (LearningRateRange(steps=3, repeats=0), "steps must be at least 10, got 3; repeats must be at least 1, got 0"),
        (LearningRateRange(lowest=2.0), "one below and one above 1, got 2"),
        (LearningRateRange(smoothing=1.0), "smoothing must be from 0 to below 1, got 1"),
        (LearningRateRange(start="then"), 'start must be "now" or "first"'),
        (LearningRateMap(rates=2, seeds=0), "rates must be at least 3, got 2; seeds must be at least 1, got 0"),
        (LearningRateMap(decades=-1.0, steps=0), "decades must be above 0, got -1; steps must be at least 1, got 0"),
    ],
)
def test_options_that_make_no_sense(experiment: Any, words: str, session: nnw.Session) -> None:
    with pytest.raises(ValueError) as raised:
        experiment.run(session.lab())
    assert words in str(raised.value)


# judgements on arrays

RATES = np.geomspace(1e-4, 1e4, 81)


def made_sweep(low: float = 0.01, high: float = 1.0, worst: float = 100.0) -> Any:
    """Falls by 1 between two rates, and has come back at a third one."""
    logs = np.log10(RATES)
    fall = np.clip((logs - np.log10(low)) / np.log10(high / low), 0, 1)
    rise = np.clip((logs - np.log10(high)) / np.log10(worst / high), 0, None)
    return -fall + rise * (1 + 4 * rise)


def test_a_sweep_is_read() -> None:
    read = read_sweep(RATES, made_sweep()[None], 2.0, keep=0.0)
    assert read.fell
    assert read.lowest == pytest.approx(1.0)
    assert read.begins == pytest.approx(0.01 * 100**0.1, rel=0.3)
    assert 0.01 < read.steepest <= 1.0
    assert read.suggested == min(read.steepest, 0.1)
    # twice, threefold of the larger of level and fall: -1 + rise (1 + 4 rise) > 6
    assert read.diverges == pytest.approx(1.0 * 100 ** ((-1 + np.sqrt(1 + 16 * 7)) / 8), rel=0.3)
    marks = [read.mark(rate) for rate in (1e-4, 0.05, 10.0, 1e3)]
    assert marks == ["too low", "good", "too high", "diverged"]


def test_a_sweep_without_a_fall_and_one_that_is_not_finite() -> None:
    flat = read_sweep(RATES, np.zeros((2, len(RATES))), 1.0, keep=0.5)
    assert not flat.fell
    assert flat.mark(1.0) == ""
    assert flat.diverges == np.inf
    broken = np.where(RATES < 1, made_sweep(), np.nan)[None]
    assert read_sweep(RATES, broken, 2.0, keep=0.0).diverges == pytest.approx(1.0)
    assert read_sweep(RATES, np.full((1, len(RATES)), np.nan), 2.0, keep=0.5).diverges == RATES[0]


def test_one_order_that_rises_where_the_others_fall_is_no_fall() -> None:
    change = np.stack([made_sweep(), -made_sweep()])
    assert not read_sweep(RATES, change, 2.0, keep=0.5).fell


def test_the_moving_average_starts_without_bias() -> None:
    random = np.random.default_rng(0).normal(size=(2, 9))
    weights = [0.9 ** np.arange(k, -1, -1) for k in range(9)]
    expected = np.stack([(random[:, : k + 1] * each).sum(1) / each.sum() for k, each in enumerate(weights)], axis=1)
    np.testing.assert_allclose(smooth(random, 0.9), expected)


STILL = np.array([1.0, 1.2])


def test_marks() -> None:
    found = np.array([[0.99, 1.19], [0.7, 0.9], [0.3, 0.35], [0.1, 0.2], [0.1, 1.1], [0.3, np.nan], [np.inf, 9.0]])
    marks = ["too low", "too low", "good", "good", "edge", "edge", "diverged"]
    assert mark_rates(found, STILL, 1.1) == marks
    assert best_of(found, STILL, 1.1) == 3
    assert mark_rates(np.full((2, 2), np.inf), STILL, 1.1) == ["diverged"] * 2
    assert best_of(np.full((2, 2), np.inf), STILL, 1.1) is None
    assert mark_rates(np.stack([STILL, STILL + 0.1]), STILL, 1.1) == ["no fall", "no fall"]


def test_each_seed_is_compared_with_its_own_fall() -> None:
    """A seed that loses ten times as much is no measure of the others; nor is one that the best rate does not help."""
    still = np.array([1.0, 10.0, 1.0])
    found = np.array([[0.9, 9.0, 1.2], [0.5, 4.0, 1.01], [0.6, 5.0, 1.01], [0.9, 4.0, 1.01]])
    assert mark_rates(found, still, 4.0) == ["too low", "good", "good", "edge"]


def test_the_words_of_a_sweep() -> None:
    slow, large = quadratic(0.005), quadratic(0.2)
    found = LearningRateRange(steps=60, repeats=1).run(slow.lab())
    assert "The loss falls at rates from" in found.answer and "is fine, on the low side" in found.answer, found.answer
    found = LearningRateRange(steps=60, repeats=1, highest=1.1).run(large.lab())
    assert "(the end of the sweep)" in found.answer and found.rows[-1][2] == "good", found.answer


@pytest.mark.parametrize(
    ("present", "better", "factor", "judged"),
    [
        ([0.9, 1.1], [0.1, 0.1], 10.0, ("suspicious", "too low")),
        # a few times higher is better: that is so for nearly every run
        ([0.9, 1.1], [0.1, 0.1], 5.0, ("ok", "")),
        # not in every repeat
        ([0.9, 0.5], [0.1, 0.1], 10.0, ("ok", "")),
        # by far, and yet next to nothing
        ([1.0, 1.2], [0.99, 1.19], 100.0, ("ok", "")),
        ([1.1, 1.3], [0.1, 0.1], 0.1, ("suspicious", "too high")),
        ([1.5, 1.6], [0.1, 0.1], 0.1, ("wrong", "too high")),
        ([np.inf, np.nan], [0.1, 0.1], 0.1, ("wrong", "diverged")),
        ([9.0, 0.9], [0.1, 0.1], 0.1, ("wrong", "diverged")),
        ([0.1, 0.1], [0.3, 0.3], 0.1, ("ok", "")),
    ],
)
def test_verdicts(present: Any, better: Any, factor: float, judged: Any) -> None:
    assert judge_rate(np.array(present), np.array(better), STILL, factor, 1.1) == judged


def test_orders_are_the_runs_first_and_each_a_permutation() -> None:
    found = orders(3, 10, 4)
    assert found[0].tolist() == [0, 1, 2, 3, 0, 1, 2, 3, 0, 1]
    for order in found:
        assert sorted(order[:4].tolist()) == sorted(order[4:8].tolist()) == [0, 1, 2, 3]
    assert len({tuple(each) for each in found.tolist()}) == 3
