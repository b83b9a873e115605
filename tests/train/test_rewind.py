"""Going back: every step in reach again, bit for bit; and going on from there another way."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Iterator
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import nnwidgets as nnw
from nnwidgets.records import Command
from nnwidgets.train._timeline import Saved, Timeline
from tests import models

X = np.random.default_rng(0).standard_normal((40, 6)).astype(np.float32)


def loss_fn(params: Any, batch: Any, rng: Any) -> Any:
    """A net with dropout, so that a key that differs shows."""
    hidden = jnp.tanh(batch @ params["w"])
    kept = jax.random.bernoulli(rng, 0.8, hidden.shape)
    return jnp.mean((hidden * kept @ params["v"] - batch.sum(-1)) ** 2)


def params() -> Any:
    random = np.random.default_rng(1)
    return {"w": random.standard_normal((6, 4)).astype(np.float32), "v": random.standard_normal(4).astype(np.float32)}


BATCHES = [X[k : k + 8] for k in range(0, 40, 8)]


class Loader:
    """A data loader: begins anew when asked to; shuffles by the number of times that it began."""

    def __init__(self, shuffles: bool = False) -> None:
        self.epoch, self.shuffles = 0, shuffles

    def __iter__(self) -> Iterator[Any]:
        order = np.random.default_rng(self.epoch if self.shuffles else 0).permutation(40)
        self.epoch += 1
        return iter([X[order[k : k + 8]] for k in range(0, 40, 8)])


def shuffled(step: int) -> Any:
    return X[np.random.default_rng(step // 5).permutation(40)[8 * (step % 5) :][:8]]


def session(batches: Any = BATCHES, tx: Any = None, **options: Any) -> nnw.Session:
    objective = nnw.Objective(loss_fn, jax.tree.map(jnp.asarray, params()))
    return nnw.Session(objective, tx or optax.adam(1e-2), batches, budget=0, **options)


def bits(run: nnw.Session) -> Any:
    tree = (run.params, run.state, run.opt_state)
    leaves = [leaf for leaf in jax.tree.leaves(tree) if hasattr(leaf, "dtype")]
    is_key = [jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key) for leaf in leaves]
    return [
        np.asarray(jax.random.key_data(leaf) if key else leaf).tobytes()
        for leaf, key in zip(leaves, is_key, strict=True)
    ]


def forget_most(run: nnw.Session) -> None:
    """So that steps have to be made again, whichever of them were saved."""
    for step in set(run.timeline.steps) - run.timeline._pinned:
        run.timeline._forget(step)


def states(make: Callable[[], nnw.Session], steps: int) -> list[Any]:
    """Of a run that is never rewound, after each step."""
    run, found = make(), []
    found.append(bits(run))
    for _ in range(steps):
        found.append(bits(run.run(1)))
    return found


SOURCES: dict[str, Callable[[], Any]] = {
    "list": lambda: BATCHES,
    "callable that shuffles": lambda: shuffled,
    "loader": Loader,
    "loader that shuffles": lambda: Loader(shuffles=True),
    "generator": lambda: iter([X[8 * (k % 5) :][:8] for k in range(200)]),
}


@pytest.mark.parametrize("source", [*SOURCES, "loader, nothing kept"])
def test_every_step_again(source: str) -> None:
    make = SOURCES[source.partition(", nothing")[0]]
    wanted = states(lambda: session(make()), 17)
    run = session(make()).run(17)
    forget_most(run)
    if "nothing kept" in source:
        run._batches._kept.clear()
    for step in (9, 16, 0, 17, 3, 4, 12):
        assert run.rewind(step).step == step and bits(run) == wanted[step], step


OPTIMIZERS = {
    "sgd": lambda: optax.sgd(1e-2, momentum=0.9),
    "adam, schedule": lambda: optax.adam(optax.warmup_cosine_decay_schedule(0.0, 1e-2, 5, 30)),
    "accumulation": lambda: optax.MultiSteps(optax.adamw(1e-2), 3),
    "clipping": lambda: optax.chain(optax.clip_by_global_norm(0.1), optax.rmsprop(1e-3)),
}


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_running_on_after_a_rewind_gives_the_same_bits(optimizer: str) -> None:
    make = lambda: session(shuffled, OPTIMIZERS[optimizer]())  # noqa: E731
    wanted = bits(make().run(20))
    run = make().run(20)
    forget_most(run)
    for step in (13, 0, 19):
        run.rewind(step).run(20 - step)
        assert bits(run) == wanted
    losses = run.history["train/loss"]
    np.testing.assert_array_equal(losses.steps, np.arange(20))
    assert [each.step for each in run.history.branches] == [13, 0, 19]


@pytest.mark.parametrize("framework", models.FRAMEWORKS)
def test_every_framework(framework: str) -> None:
    """Dropout, batch statistics, adam with a schedule: a straight run of 9 steps, and one that goes back and forth."""
    tx = optax.adam(optax.exponential_decay(1e-2, 3, 0.5))

    def make() -> nnw.Session:
        objective, batch, _ = models.make(framework)
        return nnw.Session(objective, tx, [batch, jax.tree.map(lambda leaf: leaf[::-1], batch)], budget=0)

    wanted, run = states(make, 9), make().run(9)
    for step in (4, 8, 2, 9):
        forget_most(run)
        assert bits(run.rewind(step)) == wanted[step], step
    assert bits(run.rewind(3).run(6)) == wanted[9]


def test_a_learning_rate_that_was_changed_is_changed_again() -> None:
    run = session().run(5)
    run._desk.controls.multiplier = 0.1
    run.run(5)
    run._desk.controls.multiplier = 3.0
    wanted = bits(run.run(2))
    newest = bits(run.run(3))
    # from the first step on, past both changes
    forget_most(run)
    assert bits(run.rewind(12)) == wanted
    assert bits(run.rewind(2).rewind(15)) == newest


def test_data_that_differs_the_second_time_is_found_out() -> None:
    run = session(Loader(shuffles=True), timeline_memory=0).run(12)
    before = bits(run)
    with pytest.raises(ValueError, match=r"out of reach|goes to a step"):
        run.rewind(3)
    run = session(Loader(shuffles=True)).run(12)
    forget_most(run)
    run._batches._kept.clear()
    before = bits(run)
    with pytest.raises(ValueError, match="the data source gives other batches than before"):
        run.rewind(9)
    assert bits(run) == before and run.step == 12
    # only what is saved is offered from now on
    with pytest.raises(ValueError, match=r"cannot be made again.*saved states are those of steps 0"):
        run.rewind(5)
    assert run.rewind(0).step == 0


def test_a_buffer_that_is_filled_anew_is_not_taken_for_what_it_was() -> None:
    buffer = np.empty((8, 6), np.float32)

    def batches() -> Iterator[Any]:
        for k in range(50):
            buffer[:] = BATCHES[k % 5] * (1 + k)
            yield buffer

    run = session(batches()).run(12)
    forget_most(run)
    with pytest.raises(ValueError, match="is gone: a generator gives each batch once"):
        run.rewind(5)
    assert run.step == 12


def test_out_of_reach() -> None:
    run = session().run(5)
    for step in (6, -1, 2.5, "3"):
        with pytest.raises(ValueError, match="rewind goes to a step from 0 to 5, got"):
            run.rewind(step)  # pyright: ignore[reportArgumentType]
    with pytest.raises(ValueError, match="timeline_memory must be a number of bytes"):
        session(timeline_memory="much")
    assert run.step == 5


def test_panels_and_history_show_the_step() -> None:
    objective = nnw.Objective(loss_fn, jax.tree.map(jnp.asarray, params()))
    run = nnw.Session(objective, optax.adam(1e-2), BATCHES, budget=1.0).run(12)
    run.rewind(4)
    for name in ("train/loss", "gradient/norm"):
        assert run.history.latest(name) is not None and run.history.latest(name)[0] == 4, name  # pyright: ignore
    assert run.status.step == 4 and run.status.reach == (0, 12)
    # forward again: nothing is lost
    run.rewind(12)
    np.testing.assert_array_equal(run.history["train/loss"].steps, np.arange(12))
    assert not run.history.branches


def test_going_on_another_way_is_a_branch() -> None:
    run = session().run(12)
    first = run.history["train/loss"].values[:, 0]
    run.rewind(6)
    run._desk.controls.multiplier = 0.0
    run.run(4)
    (branch,) = run.history.branches
    assert branch.step == 6 and branch.loss.steps.tolist() == [6, 7, 8, 9, 10, 11]
    np.testing.assert_array_equal(branch.loss.values[:, 0], first[6:])
    np.testing.assert_array_equal(run.history["train/loss"].values[:7, 0], first[:7])
    assert run.reach == (0, 10) and run.history["train/loss"].steps[-1] == 9


def test_parameters_put_in_by_hand_begin_anew() -> None:
    run = session().run(6)
    run.params = jax.tree.map(jnp.zeros_like, run.params)
    run.run(4)
    wanted = bits(run)
    forget_most(run)
    run.timeline.keep(run.timeline.nearest(10) or pytest.fail(), pin=True)
    assert not any(np.any(leaf) for leaf in jax.tree.leaves(run.rewind(6).params))
    assert bits(run.rewind(10)) == wanted


def test_a_nan_pauses_at_the_state_before_it() -> None:
    batches = [*BATCHES[:3], np.where(np.arange(6) == 2, np.nan, BATCHES[3]).astype(np.float32), BATCHES[4]]
    run = session(batches).run(20)
    assert run.step == 3 and run.status.state == "paused"
    assert "step 3: the loss is nan: batch holds NaN" in run.status.message
    assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(run.params))
    # going on does not pause at the same place
    assert run.run(4).step == 7
    assert session(batches, pause_on_nan=False).run(20).step == 20


def test_memory_is_bounded_and_old_states_are_fewer() -> None:
    run = session(timeline_memory=12_000)
    for _ in range(60):
        run.run(1)
        run.timeline._newest_at = 0.0
    timeline = run.timeline
    assert timeline.nbytes <= 12_000 and timeline.steps[0] == 0 and len(timeline.steps) > 5
    gaps = np.diff(timeline.steps)
    assert gaps[: len(gaps) // 2].mean() > gaps[len(gaps) // 2 :].mean()
    assert bits(run.rewind(31)) == bits(session().run(31))


@settings(max_examples=25, deadline=None)
@given(st.data())
def test_random_walks_through_a_run(data: st.DataObject) -> None:
    """Whatever is rewound to and run on, with the same settings the states are those of a run that went straight."""
    run, wanted = session(shuffled), WALK
    for _ in range(data.draw(st.integers(1, 4))):
        if run.step < 30:
            run.run(data.draw(st.integers(1, 30 - run.step)))
        if data.draw(st.booleans()):
            forget_most(run)
        step = data.draw(st.integers(0, run.reach[1]))
        assert bits(run.rewind(step)) == wanted[step]


WALK = states(lambda: session(shuffled), 30)


class Shuffling:
    """Shuffles by NumPy's global generator, as many loaders do."""

    def __iter__(self) -> Iterator[Any]:
        order = np.random.permutation(40)  # noqa: NPY002
        return iter([X[order[k : k + 8]] * (1 + order[k]) for k in range(0, 40, 8)])


def test_a_batch_that_is_gone_is_not_looked_at_in_its_place() -> None:
    run = session(Shuffling(), timeline_memory=8 * 200).run(12)
    assert run._batches._kept.keys() != set(range(12))
    with pytest.raises(ValueError, match=r"out of reach|gives other batches"):
        run.spike(2)


def test_after_other_parameters_there_is_no_way_forward() -> None:
    run = session().run(12).rewind(5)
    run.params = jax.tree.map(lambda leaf: 2 * leaf, run.params)
    with pytest.raises(ValueError, match="from 0 to 5, got 9"):
        run.rewind(9)
        run.rewind(9)
    assert run.reach == (0, 5)


def test_views_of_one_buffer() -> None:
    buffer = np.empty((8, 6), np.float32)

    def batches() -> Iterator[Any]:
        for k in range(50):
            buffer[:] = BATCHES[k % 5] * (1 + k)
            yield buffer[:]

    run = session(batches()).run(12)
    forget_most(run)
    with pytest.raises(ValueError, match="is gone: a generator gives each batch once"):
        run.rewind(5)


def test_saving_that_is_dear_is_done_seldom(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is paid by everything else that watches: a dashboard stood still for a minute once."""
    now = itertools.count()
    # every look at the clock finds a millisecond gone: that is what a save costs, and what lies between two
    monkeypatch.setattr("nnwidgets.train._timeline.time.perf_counter", lambda: 1e-3 * next(now))
    timeline = Timeline(1e9)
    for step in range(1000):
        timeline.keep(Saved(step, {"w": jnp.ones(2)}, None, None))
    # a thousandth of a second is 0.4 % of a quarter
    assert timeline.steps == (0, 249, 499, 749, 999)


def test_clicks_that_come_faster_than_they_are_answered_wait_for_their_turn(monkeypatch: pytest.MonkeyPatch) -> None:
    """Page Down held on the slider, then Run, while no cell runs: each in a thread of its own, and none is refused."""
    session = nnw.Session(nnw.Objective(loss_fn, params()), optax.sgd(0.1), BATCHES, track=False).run(20)
    go_to = session._go_to

    def slowly(*arguments: Any, **more: Any) -> Any:
        time.sleep(0.1)
        return go_to(*arguments, **more)

    monkeypatch.setattr(session, "_go_to", slowly)
    for step in (15, 10, 5):
        session._desk.receive(Command("rewind", step))
    session._desk.receive(Command("run", 3))
    ends = time.monotonic() + 60
    while (session.step, session.status.state) != (8, "finished") and time.monotonic() < ends:
        time.sleep(0.01)
    assert session.step == 8 and not session.notices
