"""Schedules are read off the optimizer, judged against the run's length, and tried against a constant rate."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import nnwidgets as nnw
from nnwidgets import schedules
from nnwidgets.explore.optimizers._schedule import Schedule
from nnwidgets.explore.optimizers._shown_schedule import held, shown_schedule
from nnwidgets.lint import at_count

from .conftest import small_session

PARAMS = {"w": jnp.ones((3, 4)), "b": jnp.zeros(4)}
WARM_COSINE: Any = optax.warmup_cosine_decay_schedule(0.0, 0.1, 10, 100)
COUNTS = np.arange(0, 130, 3)
SCHEDULED: dict[str, Any] = {
    "sgd": optax.sgd(WARM_COSINE),
    "momentum": optax.sgd(WARM_COSINE, 0.9),
    "adam": optax.adam(WARM_COSINE),
    "adamw": optax.adamw(WARM_COSINE, weight_decay=0.1),
    "lion": optax.lion(WARM_COSINE),
    "injected": optax.inject_hyperparams(optax.adam)(learning_rate=WARM_COSINE),
    "accumulated": optax.MultiSteps(optax.adam(WARM_COSINE), 4).gradient_transformation(),
    "clipped": optax.chain(optax.clip_by_global_norm(1.0), optax.adam(WARM_COSINE)),
    "scaled": optax.chain(optax.scale_by_adam(), optax.scale_by_schedule(lambda count: -WARM_COSINE(count))),
    "partly frozen": optax.partition({"a": optax.adam(WARM_COSINE), "b": optax.set_to_zero()}, {"w": "a", "b": "b"}),
}


@pytest.mark.parametrize("name", SCHEDULED)
def test_the_schedule_is_read_off_the_optimizer(name: str) -> None:
    tx = SCHEDULED[name]
    shown = shown_schedule(tx, PARAMS, tx.init(PARAMS), 0, COUNTS)
    assert shown is not None and shown.known and not shown.is_constant
    np.testing.assert_allclose(shown.rates, [float(WARM_COSINE(count)) for count in COUNTS], rtol=1e-4, atol=1e-7)
    assert shown.period == (4 if name == "accumulated" else 1) and shown.now == 0
    assert float(shown.schedule(49.5)) == pytest.approx((float(WARM_COSINE(48)) + float(WARM_COSINE(51))) / 2, rel=1e-4)


@pytest.mark.parametrize("tx", [optax.adam(1e-2), optax.inject_hyperparams(optax.adam)(learning_rate=1e-2)])
def test_a_constant_rate_is_one(tx: optax.GradientTransformation) -> None:
    shown = shown_schedule(tx, PARAMS, tx.init(PARAMS), 0, COUNTS)
    assert shown is not None and shown.is_constant and shown.rates[0] == pytest.approx(1e-2, rel=1e-4)


@pytest.fixture(scope="module")
def steady() -> nnw.Session:
    """A run with a constant rate, which no test changes: its programs are compiled once."""
    return small_session(optax.sgd(0.02))


def test_where_the_rate_cannot_be_told() -> None:
    tx = optax.adafactor(WARM_COSINE)
    shown = shown_schedule(tx, PARAMS, tx.init(PARAMS), 0, COUNTS)
    assert shown is not None and not shown.known
    expected = np.array([float(WARM_COSINE(count)) for count in COUNTS])
    np.testing.assert_allclose(shown.rates, expected / expected.max(), rtol=1e-4, atol=1e-6)
    tx = optax.lbfgs()
    assert shown_schedule(tx, PARAMS, tx.init(PARAMS), 0, COUNTS) is None


def test_a_held_schedule_stands_still_and_moments_go_on() -> None:
    tx: Any = optax.chain(optax.scale_by_adam(), optax.scale_by_learning_rate(WARM_COSINE))
    state: Any = at_count(tx.init(PARAMS), 10)
    grads = jax.tree.map(jnp.ones_like, PARAMS)
    for _ in range(3):
        made: Any = held(tx).update(grads, state, PARAMS)
        updates, state = made
        assert float(updates["w"][0, 0]) == pytest.approx(-0.1, rel=1e-4)
    assert int(state[0].count) == 3 and int(state[1].count) == 10


def test_a_schedule_in_epochs_is_a_fault() -> None:
    """The schedule counts batches: it is over after as many as there should be epochs."""
    found = Schedule(updates=20).run(small_session(optax.adam(optax.cosine_decay_schedule(1e-2, 10))).lab())
    assert found.verdict == "wrong" and found["trouble"] == "ends early" and found["ends"] == 10
    assert "In a run of 200 updates or more: The learning rate is gone after 10 of 200 steps" in found.answer
    assert "Is 10 a number of epochs?" in found.answer
    # nothing is learnt after that
    assert found["difference"] > 0.1 and found["rates"][10:] == [0.0] * 10


@pytest.mark.parametrize(
    ("schedule", "steps", "verdict", "trouble"),
    [
        (optax.cosine_decay_schedule(1e-2, 300), 300, "ok", ""),
        (optax.cosine_decay_schedule(1e-2, 300), None, "ok", ""),
        (optax.cosine_decay_schedule(1e-2, 3000), 300, "suspicious", "ends late"),
        (optax.cosine_decay_schedule(1e-2, 3000), None, "ok", ""),
        (optax.linear_schedule(0.0, 1e-2, 1000), 300, "wrong", "peaks late"),
        (schedules.pytorch.cosine_annealing_lr(1e-2, 100), 200, "suspicious", "within a cycle"),
    ],
)
def test_the_schedule_against_the_length_of_the_run(
    steady: nnw.Session, schedule: optax.Schedule, steps: int | None, verdict: str, trouble: str
) -> None:
    """Without a length only what is over too early can be told."""
    found = Schedule(schedule, steps=steps, updates=4, seeds=2).run(steady.lab())
    assert (found.verdict, found["trouble"]) == (verdict, trouble)


def test_accumulated_gradients_make_fewer_updates_than_steps() -> None:
    """A horizon in batches is four times too long where one update is made every four of them."""
    tx = optax.MultiSteps(optax.adam(optax.linear_schedule(1e-2, 0.0, 100)), 4).gradient_transformation()
    session = small_session(tx).run(8)
    found = Schedule(steps=100, updates=5, seeds=2).run(session.lab())
    assert found["steps_per_update"] == 4 and found["now"] == 2 and found["updates_of_the_run"] == 25
    assert found["trouble"] == "ends late" and "There is one update every 4 steps" in found.answer
    assert found.pictures[1].lines[0].x.shape == (20,)


def trained_plainly(session: nnw.Session, rates: Any, batches: list[Any]) -> np.ndarray:
    """Gradient descent with these rates from the session's state, in a loop: the loss before each step."""
    params, losses = session.params, []
    for rate, (inputs, targets) in zip(rates, batches, strict=True):

        def loss(params: Any, inputs: Any = inputs, targets: Any = targets) -> Any:
            return jnp.mean((jnp.tanh(inputs @ params["hidden"]) @ params["out"] - targets) ** 2)

        value, grads = jax.value_and_grad(loss)(params)
        params = jax.tree.map(lambda leaf, grad, rate=rate: leaf - rate * grad, params, grads)
        losses.append(float(value))
    return np.asarray(losses)


@pytest.mark.parametrize(
    "own", [optax.sgd(0.02), optax.sgd(optax.exponential_decay(0.05, 5, 0.7))], ids=["steady", "falls"]
)
def test_both_ways_are_what_plain_training_gives(own: optax.GradientTransformation) -> None:
    """Another schedule in place of the optimizer's own, which may move: from step 5 on, against the rate of step 5."""
    session = small_session(own).run(5)
    lab, given = session.lab(), schedules.keras.cosine_decay(0.2, 25)
    found = Schedule(given, steps=25, updates=20).run(lab)
    present = 0.02 if found["present"] < 0.021 else 0.05 * 0.7
    assert found["present"] == pytest.approx(present, rel=1e-3)
    np.testing.assert_allclose(found["rates"], [float(given(count)) for count in range(5, 25)], rtol=1e-5)
    batches = [lab.batches[i % len(lab.batches)] for i in range(20)]
    for rates, name in ((found["rates"], "loss_with"), ([present] * 20, "loss_without")):
        losses = trained_plainly(session, rates, batches)
        # the first seed has the run's own batches, in their order
        assert found[name][0] == pytest.approx(losses[-2:].mean(), rel=1e-3)
    assert [line.name for line in found.pictures[1].lines] == ["the schedule", f"constant {present:.3g}"]
    gap = np.subtract(found["loss_with"], found["loss_without"])
    assert found["difference"] == pytest.approx(gap.mean())
    half = 4.302653 * gap.std(ddof=1) / np.sqrt(3)
    assert found["difference_high"] - found["difference"] == pytest.approx(half, rel=1e-5)


def test_a_long_schedule_is_squeezed(steady: nnw.Session) -> None:
    line = schedules.keras.polynomial_decay(0.1, 1000, 0.0)
    found = Schedule(line, steps=1000, updates=10, seeds=1).run(steady.lab())
    np.testing.assert_allclose(found["rates"], np.linspace(0.1, 0.01, 10), rtol=1e-5)
    assert found["squeezed"] == 100 and "100 of the schedule's squeezed into one" in found.caution
    # of one repeat there is no interval
    assert found["difference_high"] == np.inf


def test_the_peak_is_compared_with_where_the_warm_up_begins_at_zero() -> None:
    schedule = optax.warmup_cosine_decay_schedule(0.0, 0.05, 10, 100)
    found = Schedule(steps=100, updates=10, seeds=1).run(small_session(optax.sgd(schedule)).lab())
    assert found["present"] == 0 and found["constant"] == pytest.approx(0.05, rel=1e-3)


def test_a_constant_rate_is_compared_with_a_decay(steady: nnw.Session) -> None:
    found = Schedule(updates=10, seeds=2).run(steady.lab())
    assert "The learning rate is constant, 0.02" in found.answer and "a cosine decay to 0" in found.answer
    np.testing.assert_allclose(found["rates"], schedules.preview(schedules.keras.cosine_decay(0.02, 10), 10), rtol=1e-3)


@pytest.mark.parametrize("rate", [3.0, 1e30], ids=["grows", "is not finite"])
def test_what_diverges_is_told_without_a_warning(steady: nnw.Session, rate: float) -> None:
    found = Schedule(schedules.constant(rate), updates=10, seeds=2).run(steady.lab())
    assert found.verdict == "wrong" and found["trouble"] == "" and found["diverged"]
    assert "With the schedule the loss diverges." in found.answer
    if rate == 1e30:
        assert "the loss is no finite number with the schedule" in found.answer
        assert np.isnan(found.pictures[1].lines[0].y[-1]) and np.isfinite(found.pictures[1].lines[1].y).all()


def test_where_both_ways_diverge() -> None:
    found = Schedule(schedules.constant(20.0), updates=10, seeds=1).run(small_session(optax.sgd(10.0)).lab())
    assert found.verdict == "wrong" and "The loss diverges both ways." in found.answer


def test_the_run_is_left_as_it_is() -> None:
    session = small_session(optax.adam(optax.cosine_decay_schedule(1e-2, 100))).run(3)
    before = jax.tree.map(np.array, (session.params, session.opt_state))
    Schedule(updates=5, seeds=1).run(session.lab())
    assert session.step == 3
    jax.tree.map(np.testing.assert_array_equal, before, (session.params, session.opt_state))


def test_what_cannot_be_told_is_unknown() -> None:
    found = Schedule(schedules.constant(0.1)).run(small_session(optax.adafactor(1e-2)).lab())
    assert found.verdict == "unknown" and "own learning rate can't be told" in found.answer
    with pytest.raises(
        ValueError,
        match=r"schedule must be a function of the step, got 0\.1.*; steps .* got 0; updates .* got 1; seeds",
    ):
        Schedule(0.1, steps=0, updates=1, seeds=0).run(small_session().lab())  # pyright: ignore[reportArgumentType]


def test_the_picture_shows_the_run_and_its_end() -> None:
    session = small_session(optax.sgd(optax.cosine_decay_schedule(0.05, 40))).run(4)
    found = Schedule(steps=40, updates=4, seeds=1).run(session.lab())
    picture = found.pictures[0]
    assert {guide.words: guide.at for guide in picture.guides} == {
        "the run is here": 4,
        "the run ends": 40,
        "the schedule ends": 40,
    }
    expected = [float(optax.cosine_decay_schedule(0.05, 40)(int(count))) for count in picture.lines[0].x]
    np.testing.assert_allclose(picture.lines[0].y, expected, rtol=1e-3, atol=1e-5)
