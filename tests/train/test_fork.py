"""A change tried beside the unchanged run."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import nnwidgets as nnw

from .test_rewind import BATCHES, Loader, bits, loss_fn, params, session


def test_the_unchanged_way_is_the_run_itself() -> None:
    run = session(Loader(shuffles=True), optax.adam(1e-2)).run(7)
    before = bits(run)
    found = run.fork(13, multiplier=0.1, keys=3)
    assert bits(run) == before and run.step == 7 and found.unchanged.shape == (3, 13)
    run.run(13)
    np.testing.assert_array_equal(found.unchanged[0], run.history["train/loss"].values[7:, 0])
    # and so is the changed one, where that change is made
    other = session(Loader(shuffles=True), optax.adam(1e-2)).run(7)
    other._desk.controls.multiplier = 0.1
    other.run(13)
    np.testing.assert_array_equal(found.changed[0], other.history["train/loss"].values[7:, 0])


def test_a_better_and_a_worse_learning_rate() -> None:
    run = session(tx=optax.sgd(1e-3)).run(3)
    faster, off = run.fork(40, multiplier=10.0), run.fork(40, multiplier=0.0)
    assert faster.better is True and faster.low <= faster.difference <= faster.high < 0
    assert off.better is False and "higher" in repr(off) and "learning rate \u00d7 0" in off.change
    same = run.fork(10, multiplier=1.0)
    assert same.difference == 0.0 and same.better is None and "no difference that is certain" in repr(same)
    assert run.history.fork is same


def test_the_interval_is_students() -> None:
    scipy = pytest.importorskip("scipy.stats")
    found = session().run(3).fork(20, multiplier=3.0, keys=4)
    gaps = (found.changed[:, -2:].astype(float) - found.unchanged[:, -2:]).mean(axis=1)
    wanted = scipy.ttest_1samp(gaps, 0).confidence_interval(0.95)
    np.testing.assert_allclose((found.low, found.high), (wanted.low, wanted.high), rtol=1e-6)


def test_another_optimizer_loss_and_initialisation() -> None:
    run = session(tx=optax.adam(1e-2)).run(5)
    slower = run.fork(5, tx=optax.adam(1e-4), keys=1)
    assert slower.change == "optimizer" and slower.low == -np.inf
    assert run.fork(5, tx=optax.sgd(1e-2), keys=2).change == "optimizer (its state anew)"
    assert "parameters" in run.fork(5, params=params(), keys=2).change
    # another loss: told is the session's own
    worse = nnw.Objective(lambda p, batch, rng: -loss_fn(p, batch, rng), jax.tree.map(jnp.asarray, params()))
    found = run.fork(15, objective=worse)
    assert found.better is False
    np.testing.assert_array_equal(found.changed[:, 0], found.unchanged[:, 0])


def test_a_change_that_diverges_is_said() -> None:
    found = session(tx=optax.sgd(1e-2)).run(2).fork(40, multiplier=1e6, keys=2)
    assert "of the changed run is not finite at the end" in repr(found) and found.better is None


def test_data_that_ends() -> None:
    run = session(iter(BATCHES)).run(3)
    assert run.fork(100, multiplier=2.0, keys=2).changed.shape == (2, 2)
    assert run.run(100).step == 5
    with pytest.raises(ValueError, match="there is no batch left for step 5"):
        run.fork(10, multiplier=2.0)
    small = session((each for each in BATCHES * 3), timeline_memory=8 * 200).run(1)
    assert small.fork(10, multiplier=2.0, keys=1).changed.shape == (1, 10)
    # nothing is lost
    assert small.run(14).step == 15


def test_nothing_changed_is_refused() -> None:
    with pytest.raises(ValueError, match="fork tries a change"):
        session().fork(10)


def test_batches_that_were_drawn_ahead_are_still_those_of_the_run() -> None:
    straight = session(Loader(shuffles=True), timeline_memory=8 * 200).run(30)
    forked = session(Loader(shuffles=True), timeline_memory=8 * 200).run(12)
    forked.fork(15, multiplier=2.0, keys=1)
    assert bits(forked.run(18)) == bits(straight)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"steps": 0}, "steps and keys must be whole numbers"),
        ({"steps": 2.5}, "steps and keys must be whole numbers"),
        ({"keys": 0}, "steps and keys must be whole numbers"),
        ({"multiplier": -1.0}, "multiplier must be a finite number"),
        ({"multiplier": "x"}, "multiplier must be a finite number"),
        ({"tx": 0.1}, "optax"),
        ({"objective": loss_fn}, "bjective"),
        ({"params": {"a": 1.0}}, "params must have the form"),
    ],
)
def test_wrong_arguments(arguments: dict, words: str) -> None:
    with pytest.raises((ValueError, TypeError), match=words):
        session().fork(**{"multiplier": 0.1, **arguments})
