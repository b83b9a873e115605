"""Optimizers compared: equal to plain loops, with differences told only where they are certain."""

from __future__ import annotations

import json
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from scipy import stats

import nnwidgets as nnw
from nnwidgets.explore import run_experiment
from nnwidgets.explore._lanes import orders
from nnwidgets.explore._paired import interval
from nnwidgets.explore._rates import ends
from nnwidgets.explore.optimizers._contenders import contenders
from nnwidgets.explore.optimizers._optimizers import YOURS, YOURS_BEST, Optimizers
from nnwidgets.explore.optimizers._race import SWEEP_SEEDS
from nnwidgets.train import compiles

from .conftest import small_session
from .test_learning_rates import noisy_session, plain_losses, quadratic

STEPS = 20
TWO = {"SGD": optax.sgd, "Adam": optax.adam}


def small(optimizers: Any = TWO, **more: Any) -> Optimizers:
    return Optimizers(**{"steps": STEPS, "rates": 3, "seeds": 3, "optimizers": optimizers} | more)


def test_each_is_a_plain_loop_at_its_best_rate() -> None:
    session = noisy_session(optax.sgd(0.05))
    found = small().run(session.lab())
    every = orders(SWEEP_SEEDS + 3, STEPS, STEPS)
    losses = {}
    for name, tx, factor in ((YOURS, optax.sgd(0.05), 1.0), ("Adam", optax.adam(found["rates"]["Adam"]), 1.0)):
        start = nnw.Session(session.objective, tx, session.lab().batches, budget=0)
        losses[name] = [
            ends(np.array(plain_losses(start, tx, np.full(STEPS, factor), every[seed], seed=seed)))
            for seed in (2, 3, 4)
        ]
    for name, plain in losses.items():
        assert found["losses"][name] == pytest.approx(np.mean(plain), rel=1e-4)
    # a paired interval, for three comparisons at once
    base = np.mean(losses["Adam"]) - found["losses"][YOURS_BEST]
    assert found["differences"]["Adam"][0] == pytest.approx(base, rel=1e-3)
    assert found["compared_with"] == YOURS_BEST


def test_the_best_rate_of_a_sweep_is_the_lowest() -> None:
    session = noisy_session(optax.sgd(0.05))
    found = small({"SGD": optax.sgd}).run(session.lab())
    line = next(line for line in found.pictures[0].lines if line.name == "SGD")
    assert line.x[np.nanargmin(line.y)] == pytest.approx(found["rates"]["SGD"])
    # the sweep's own loops
    for rate, swept in zip(line.x, line.y, strict=True):
        plain = [
            ends(np.array(plain_losses(session, optax.sgd(float(rate)), np.ones(STEPS), order, seed=seed)))
            for seed, order in enumerate(orders(2, STEPS, STEPS))
        ]
        # where it diverges, rounding does, too
        diverged = [not np.max(each) < 1e6 for each in (swept, plain)]
        assert diverged == [True, True] or swept == pytest.approx(np.mean(plain), rel=1e-3)


def test_a_sweep_goes_on_where_the_best_is_at_an_end() -> None:
    # the best rate on this quadratic is near 2 / 5.2, forty times that at which the sweep begins
    found = small({"SGD": optax.sgd}, seeds=2).run(quadratic(1e-3).lab())
    line = next(line for line in found.pictures[0].lines if line.name == "SGD")
    assert len(line.x) > 3
    assert 0.1 <= found["rates"]["SGD"] <= 0.4
    assert (found.verdict, found["fault"]) == ("suspicious", "learning rate"), found
    assert "It is the learning rate of yours and not the optimizer" in found.answer


def test_differences_that_are_nothing_are_not_told() -> None:
    found = small({"the same": lambda rate: optax.sgd(rate)}).run(small_session(optax.sgd(0.1)).lab())
    assert found.verdict == "ok"
    assert found["better"] == []
    assert "the same" not in found["worse"]


def test_a_rate_that_is_the_best_already_is_no_reason_to_change() -> None:
    found = small({"none": lambda rate: optax.set_to_zero()}).run(quadratic(0.3).lab())
    assert [row[0] for row in found.rows] == [YOURS, "none"], found
    assert found["compared_with"] == YOURS
    assert "no reason to change" in found.answer and "at its best" not in found.answer


def test_nothing_random_is_told() -> None:
    found = small(seeds=2).run(quadratic(0.1).lab())
    assert "all seeds agree" in found.caution


def test_a_run_that_diverges_beside_others_that_do_not() -> None:
    found = run_experiment(small(), quadratic(10.0).lab())
    assert (found.verdict, found["fault"]) == ("wrong", "learning rate"), found
    row = next(row for row in found.rows if row[0] == YOURS)
    assert row[-1] == "diverged"
    assert json.loads(found.to_json())["numbers"]["loss_yours"] == "inf"
    assert not np.isfinite(found["loss_yours"])


def test_an_optimizer_that_leaves_parameters_alone_is_named() -> None:
    tx = optax.multi_transform(
        {"move": optax.adam(1e-2), "rest": optax.set_to_zero()}, {"hidden": "rest", "out": "rest"}
    )
    found = small().run(small_session(tx).lab())
    assert found["unmoved"] == ["hidden", "out"]
    assert "never moves 2 of 2 parameters (hidden, out)" in found.answer
    assert (found.verdict, found["fault"]) == ("suspicious", "optimizer")


def test_validation_and_the_first_state() -> None:
    first = small_session(optax.adam(1e-2))
    batches = first.lab().batches[:8]
    session = nnw.Session(first.objective, optax.adam(1e-2), batches, validation=batches[:2], budget=0)
    fresh = small({"Adam": optax.adam}).run(session.lab())
    validation = dict(zip([row[0] for row in fresh.rows], [row[-2] for row in fresh.rows], strict=True))
    assert all(0 < value < fresh["loss_without_learning"] for value in validation.values())
    session.run(10)
    again = small({"Adam": optax.adam}).run(session.lab())
    assert again["loss_without_learning"] == pytest.approx(fresh["loss_without_learning"], rel=0.3)
    now = small({"Adam": optax.adam}, start="now").run(session.lab())
    assert now["loss_without_learning"] < again["loss_without_learning"]


def test_the_usual_ones_compile_once_each() -> None:
    assert [each.name for each in contenders(None)] == [
        "SGD",
        "momentum",
        "Nesterov",
        "RMSProp",
        "Adam",
        "AdamW",
        "Lion",
    ]
    session = quadratic(0.1)
    experiment = Optimizers(steps=10, rates=3, seeds=2)
    found = run_experiment(experiment, session.lab())
    assert len(found.rows) == 9
    before = compiles().count
    run_experiment(experiment, session.lab())
    assert compiles().count == before
    cost = experiment.cost(session.lab())
    assert (cost.programs, cost.steps) == (8, 10 * (8 * (3 * 2 + 2) + 2))


def test_stopped_it_tells_what_it_has() -> None:
    lab = quadratic(0.1).lab()
    given: list[Any] = []
    lab.tell = given.append
    lab.stopped = lambda: True
    found = run_experiment(small(), lab)
    assert not found.complete


def test_intervals() -> None:
    values = np.random.default_rng(0).normal(size=6)
    mean, low, high = interval(values)
    expected = stats.t.interval(0.95, 5, values.mean(), stats.sem(values))
    assert (mean, low, high) == pytest.approx((values.mean(), *expected))
    wide = interval(values, comparisons=4)
    assert wide.high == pytest.approx(stats.t.interval(1 - 0.05 / 4, 5, values.mean(), stats.sem(values))[1])
    assert interval(np.array([1.0])) == (1.0, -np.inf, np.inf)
    assert interval(np.array([1.0, np.inf])) == (np.inf, np.inf, np.inf)


@pytest.mark.parametrize(
    ("experiment", "words"),
    [
        (
            Optimizers(steps=1, rates=2, seeds=1),
            "steps must be at least 10, got 1; rates must be at least 3, got 2; seeds",
        ),
        (Optimizers(optimizers={}), "optimizers is empty"),
        (Optimizers(optimizers={"Adam": optax.adam(1e-3)}), "got a GradientTransformation"),
        (Optimizers(optimizers={"four": lambda rate: 4}), "got a function that makes a int"),
    ],
)
def test_options_that_make_no_sense(experiment: Any, words: str, session: nnw.Session) -> None:
    with pytest.raises(ValueError) as raised:
        experiment.run(session.lab())
    assert words in str(raised.value)
    assert jnp.isfinite(jax.tree.leaves(session.params)[0]).all()
