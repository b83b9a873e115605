"""Monitor: a user's own loop is read, steered, and otherwise left as it is."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from flax import core, nnx
from flax.training.train_state import TrainState

import nnwidgets as nnw
from nnwidgets.records import Command
from nnwidgets.train._instrument import InstrumentedState, find_instrumented, instrument, with_multiplier
from tests import models

GENERATOR = np.random.default_rng(0)
INPUTS = GENERATOR.normal(size=(4, 16, 8)).astype(np.float32)
TARGETS = (INPUTS.sum(-1) > 0).astype(np.int32)
BATCHES = list(zip(INPUTS, TARGETS, strict=True))
KEY = jax.random.key(7)


def loss_fn(params: Any, batch: Any, *, rng: Any) -> Any:
    inputs, targets = batch
    hidden = jax.nn.relu(inputs @ params["in"])
    hidden = hidden * jax.random.bernoulli(rng, 0.9, hidden.shape)
    return optax.softmax_cross_entropy_with_integer_labels(hidden @ params["out"], targets).mean()


def start() -> dict[str, jax.Array]:
    return {
        "in": 0.3 * jax.random.normal(jax.random.key(1), (8, 12)),
        "out": 0.3 * jax.random.normal(jax.random.key(2), (12, 2)),
    }


class Loop:
    """A user's own loop: parameters, optimizer and a compiled step that donates both."""

    def __init__(self, tx: Any = None, budget: float = math.inf, donate: bool = True, **options: Any) -> None:
        self.params = start()
        self.monitor = nnw.Monitor(nnw.Objective(loss_fn, start()), budget=budget, **options)
        self.tx = self.monitor.instrument(tx or optax.sgd(0.1))
        self.opt_state = jax.tree.map(jnp.copy, self.tx.init(self.params))
        self.train_step = jax.jit(self.step, donate_argnums=(0, 1) if donate else ())

    def step(self, params: Any, opt_state: Any, batch: Any, rng: Any) -> Any:
        loss, grads = jax.value_and_grad(loss_fn)(params, batch, rng=rng)
        updates, opt_state = self.tx.update(grads, opt_state, params)
        return optax.apply_updates(params, updates), opt_state, loss

    def run(
        self, batches: Any = BATCHES, steps: int | None = None, each: Callable[..., Any] = lambda loop: None
    ) -> Any:
        """One loop; `each` is called in every pass, before its step."""
        for batch in self.monitor.steps(batches, steps):
            each(self)
            rng = jax.random.fold_in(KEY, self.monitor.step)
            self.params, self.opt_state, loss = self.train_step(self.params, self.opt_state, batch, rng)
            self.opt_state = self.monitor.record(
                loss=loss, params=self.params, opt_state=self.opt_state, batch=batch, rng=rng, twice=2 * loss
            )
        return self.monitor


def by_hand(steps: int, rate: float = 0.1) -> list[tuple[dict[str, Any], dict[str, Any], float]]:
    """Parameters before each step, gradients and loss of plain gradient descent."""
    params, rows = start(), []
    for step in range(steps):
        rng = jax.random.fold_in(KEY, step)
        loss, grads = jax.value_and_grad(loss_fn)(params, BATCHES[step % 4], rng=rng)
        rows.append((params, grads, float(loss)))
        params = jax.tree.map(lambda p, g: p - rate * g, params, grads)
    return rows


def norms_of(trees: list[Any]) -> np.ndarray:
    return np.array([[np.linalg.norm(tree["in"]), np.linalg.norm(tree["out"])] for tree in trees])


def test_loss_metrics_and_norms_are_those_of_the_steps() -> None:
    history = Loop().run(steps=6).history
    params, grads, losses = zip(*by_hand(6), strict=True)
    np.testing.assert_allclose(history["train/loss"].values[:, 0], losses, rtol=1e-4)
    np.testing.assert_allclose(history["train/twice"].values[:, 0], 2 * np.array(losses), rtol=1e-4)
    gradient = history["gradient/norm"]
    assert (gradient.layers, gradient.steps.tolist()) == (("in", "out"), [0, 1, 2, 3, 4, 5])
    np.testing.assert_allclose(gradient.values, norms_of(grads), rtol=1e-4)
    np.testing.assert_allclose(history["update/norm"].values, 0.1 * norms_of(grads), rtol=1e-4)
    np.testing.assert_allclose(history["parameter/norm"].values, norms_of(params), rtol=1e-4)
    ratio = 0.1 * norms_of(grads) / norms_of(params)
    np.testing.assert_allclose(history["update/ratio"].values, ratio, rtol=1e-4)


@pytest.mark.parametrize("donate", [True, False])
def test_the_rest_is_read_by_a_further_program(donate: bool) -> None:
    loop = Loop(donate=donate)
    history = loop.run(steps=6).history
    assert loop.monitor.notices == []
    params, grads, losses = zip(*by_hand(6), strict=True)
    mean = history["gradient/mean"]
    # the first step's parameters were not seen; a donated array is noticed at the second
    first = 2 if donate else 1
    assert mean.steps.tolist() == list(range(first, 6))
    expected = [[np.mean(tree["in"]), np.mean(tree["out"])] for tree in grads[first:]]
    np.testing.assert_allclose(mean.values, expected, rtol=1e-3, atol=1e-6)
    largest = [[np.max(tree["in"]), np.max(tree["out"])] for tree in params[first:]]
    np.testing.assert_allclose(history["parameter/max"].values, largest, rtol=1e-4)
    np.testing.assert_allclose(history["objective/loss"].values[:, 0], losses[first:], rtol=1e-4)
    before, batch = params[5], BATCHES[1]
    hidden = batch[0] @ before["in"]
    assert history["activation/mean"].layers[0] == "in"
    np.testing.assert_allclose(history["activation/mean"].values[-1, 0], hidden.mean(), rtol=1e-3)
    histogram = history.histogram("update/histogram")
    assert histogram is not None
    np.testing.assert_allclose(histogram.low, [-0.1 * np.max(grads[5][n]) for n in ("in", "out")], rtol=1e-3)


def bits(tree: Any) -> list[np.ndarray]:
    return [np.asarray(leaf).view(f"u{leaf.dtype.itemsize}") for leaf in jax.tree.leaves(tree)]


def same_bits(first: Any, second: Any) -> bool:
    return all(np.array_equal(a, b) for a, b in zip(bits(first), bits(second), strict=True))


SCHEDULE = optax.cosine_decay_schedule(3e-3, 300)
OPTIMIZERS = {
    "adam": optax.adam(3e-3),
    "momentum": optax.sgd(0.02, momentum=0.9),
    "clipped adamw, scheduled": optax.chain(optax.clip_by_global_norm(1.0), optax.adamw(SCHEDULE)),
    "injected": optax.inject_hyperparams(optax.adam)(learning_rate=3e-3),
}


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_instrumenting_changes_no_bit(name: str) -> None:
    """Of 200 steps of a user's own compiled step, dropout and donation included, monitored or bare."""
    watched = Loop(OPTIMIZERS[name])
    watched.run(steps=200)
    bare = Loop()
    bare.tx, params = OPTIMIZERS[name], start()
    opt_state, step = jax.tree.map(jnp.copy, bare.tx.init(params)), jax.jit(bare.step, donate_argnums=(0, 1))
    for k in range(200):
        params, opt_state, _ = step(params, opt_state, BATCHES[k % 4], jax.random.fold_in(KEY, k))
    assert watched.monitor.notices == []
    assert same_bits(watched.params, params)
    assert same_bits(find_instrumented(watched.opt_state).inner, opt_state)


@pytest.mark.parametrize("framework", models.FRAMEWORKS)
def test_no_bit_changes_on_the_reference_models(framework: str) -> None:
    objective, batch, _ = models.make(framework)
    monitor = nnw.Monitor(objective, budget=math.inf)
    plain = optax.adam(SCHEDULE)

    def train(tx: Any, passes: Iterator[Any], record: Any) -> Any:
        params, state = jax.tree.map(jnp.copy, (objective.params, objective.state))
        opt_state = jax.tree.map(jnp.copy, tx.init(params))

        def step(params: Any, state: Any, opt_state: Any, rng: Any) -> Any:
            value_and_grad = jax.value_and_grad(objective, has_aux=True)
            (loss, (state, _)), grads = value_and_grad(params, state, batch, rng, True)
            updates, opt_state = tx.update(grads, opt_state, params)
            return optax.apply_updates(params, updates), state, opt_state, loss

        compiled = jax.jit(step, donate_argnums=(0, 1, 2))
        for k, _ in enumerate(passes):
            rng = jax.random.fold_in(KEY, k)
            params, state, opt_state, loss = compiled(params, state, opt_state, rng)
            opt_state = record(loss=loss, params=params, state=state, opt_state=opt_state, batch=batch, rng=rng)
        return params

    bare = train(plain, iter(range(200)), lambda opt_state, **_: opt_state)
    watched = train(monitor.instrument(plain), monitor.steps([batch], 200), monitor.record)
    assert monitor.notices == []
    assert same_bits(bare, watched)
    assert len(monitor.history["update/ratio"]) == 200
    assert len(monitor.history["activation/std"]) == 198


def test_the_known_exception_differs_in_the_last_bit_only() -> None:
    """An embedding's gradient that goes straight into a sum is no array of its own, unless its norm is read."""
    params = {"table": jax.random.normal(KEY, (11, 8))}
    tokens = jnp.arange(24) % 7

    def train(tx: Any) -> Any:
        def step(params: Any, opt_state: Any) -> Any:
            grads = jax.grad(lambda params: jnp.sum(jnp.sin(params["table"][tokens])))(params)
            updates, opt_state = tx.update(grads, opt_state, params)
            return optax.apply_updates(params, updates), opt_state

        after, opt_state, compiled = params, tx.init(params), jax.jit(step)
        for _ in range(20):
            after, opt_state = compiled(after, opt_state)
        return after["table"]

    tx = optax.sgd(0.02, momentum=0.9)
    np.testing.assert_allclose(train(instrument(tx)), train(tx), rtol=0, atol=2e-6)


def test_multiplier_zero_holds_the_parameters_and_compiles_nothing() -> None:
    loop, seen = Loop(optax.adam(0.01)), []

    def each(loop: Loop) -> None:
        if loop.monitor.step == 2:
            loop.monitor._desk.receive(Command("multiplier", 0.0))
        if loop.monitor.step == 6:
            loop.monitor._desk.receive(Command("multiplier", 0.5))
        seen.append(np.asarray(loop.params["in"]).copy())

    loop.run(steps=10, each=each)
    moved = [not np.array_equal(a, b) for a, b in itertools.pairwise(seen)]
    # obeyed before the next step, and given to the one after that
    assert moved == [True] * 4 + [False] * 4 + [True]
    assert loop.train_step._cache_size() == 1
    assert loop.monitor.history["run/multiplier"].values[:, 0].tolist() == [0.0, 0.5]
    assert loop.monitor.history["update/norm"].values[5].tolist() == [0.0, 0.0]
    assert loop.monitor.notices == []


def test_the_very_same_opt_state_comes_back() -> None:
    loop = Loop()
    for batch in loop.monitor.steps(BATCHES):
        loop.params, opt_state, loss = loop.train_step(loop.params, loop.opt_state, batch, KEY)
        loop.opt_state = loop.monitor.record(loss=loss, params=loop.params, opt_state=opt_state, batch=batch)
        assert loop.opt_state is opt_state


def test_a_multiplier_that_is_not_passed_on_is_said_once() -> None:
    loop = Loop()
    loop.monitor._desk.receive(Command("multiplier", 0.5))
    for batch in loop.monitor.steps(BATCHES, 8):
        loop.params, loop.opt_state, loss = loop.train_step(loop.params, loop.opt_state, batch, KEY)
        loop.monitor.record(loss=loss, params=loop.params, opt_state=loop.opt_state)
    (notice,) = loop.monitor.notices
    assert "opt_state = monitor.record(...)" in notice.message


def test_stop_ends_the_loop_and_another_goes_on() -> None:
    loop = Loop()
    loop.run(steps=20, each=lambda loop: loop.monitor.step == 2 and loop.monitor._desk.receive(Command("stop")))
    assert (loop.monitor.step, loop.monitor.status.state) == (3, "stopped")
    assert loop.monitor.status.message == "stopped at step 3; monitor.steps(...) goes on"
    assert len(loop.monitor.history["train/loss"]) == 3
    assert loop.run(steps=2).step == 5


def test_a_pause_that_nobody_can_end_ends_the_loop_in_words() -> None:
    loop = Loop()
    loop.monitor.pause_when(7)
    loop.run(steps=20)
    assert (loop.monitor.step, loop.monitor.status.state) == (7, "stopped")
    assert loop.monitor.status.message == "paused: step 7 at step 7; monitor.steps(...) goes on"


def test_pause_step_and_resume(monkeypatch: pytest.MonkeyPatch) -> None:
    """As with a dashboard that is displayed: the loop holds, makes one step a click, and goes on."""
    loop = Loop()
    desk, clicks, held = loop.monitor._desk, ["step", "step", "resume"], []
    monkeypatch.setattr(type(desk.dashboard), "viewed", True)

    def poll(self: Any) -> None:
        if desk.controls.paused and not desk.controls.single:
            held.append((loop.monitor.step, len(loop.monitor.history["train/loss"])))
            desk.receive(Command(clicks.pop(0)))  # pyright: ignore[reportArgumentType]

    monkeypatch.setattr(type(desk.dashboard), "poll", poll)
    loop.run(steps=9, each=lambda loop: loop.monitor.step == 3 and desk.receive(Command("pause")))
    assert loop.monitor.step == 9
    steps = list(dict.fromkeys(held))
    # all readings are there while it holds
    assert steps[0] == (4, 4)
    assert {step for step, _ in steps} == {4, 5, 6}
    assert all(step == rows for step, rows in steps)
    assert clicks == []


@pytest.mark.parametrize("cells", [(1, 1), (1, 2)])
def test_stop_ends_the_further_epochs_of_its_cell(cells: tuple[int, int], monkeypatch: pytest.MonkeyPatch) -> None:
    cell = iter([cells[0], cells[1]])
    monkeypatch.setattr("nnwidgets.train._monitor._cell", lambda: next(cell))
    loop = Loop()
    loop.run(each=lambda loop: loop.monitor.step == 1 and loop.monitor._desk.receive(Command("stop")))
    assert loop.monitor.step == 2
    assert loop.run().step == (2 if cells == (1, 1) else 6)


def test_break_error_and_interrupt_leave_everything_consistent() -> None:
    loop = Loop()

    def fail(error: type[BaseException], at: int) -> Callable[[Loop], None]:
        def each(loop: Loop) -> None:
            if loop.monitor.step == at:
                raise error

        return each

    for error, at in ((ZeroDivisionError, 2), (KeyboardInterrupt, 3)):
        with pytest.raises(error):
            loop.run(each=fail(error, at))
        assert (loop.monitor.step, loop.monitor.status.state) == (at, "stopped")
        assert loop.monitor.status.message == f"the loop was left, by a break or an error in its body, at step {at}"
        assert len(loop.monitor.history["train/loss"]) == at
    for _ in loop.monitor.steps(BATCHES):
        break
    assert not loop.monitor._desk.running
    assert loop.run().step == 7

    def batches(step: int) -> Any:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        loop.run(batches, 3)
    assert loop.monitor.status.message == "the loop was ended by KeyboardInterrupt at step 7"
    assert loop.run().step == 11
    assert loop.monitor.notices == []


def test_one_loop_takes_over_from_another() -> None:
    loop = Loop()
    passes = loop.monitor.steps(BATCHES)
    next(passes)
    loop.run()
    with pytest.raises(RuntimeError, match="another loop of this monitor has begun"):
        next(passes)
    assert loop.monitor.status.state == "finished"


def test_lists_are_gone_through_once_or_as_often_as_needed() -> None:
    loop = Loop()
    assert loop.run().step == 4
    assert loop.monitor.status.target == 4
    assert loop.run(steps=6).step == 10
    assert loop.run(lambda step: BATCHES[step % 4], 3).step == 13
    assert loop.run(iter(BATCHES), 9).step == 17
    assert loop.monitor.status.message == "the data ended after 4 batches"
    assert loop.monitor.status.state == "finished"


def test_a_nan_pauses_and_is_found() -> None:
    loop = Loop(optax.sgd(1e30))
    loop.monitor.pause_when("non-finite")
    loop.run(steps=20)
    assert loop.monitor.step < 6
    (finding,) = loop.monitor.findings
    assert finding.rule == "NonFinite"


class Wrapped(NamedTuple):
    opt_state: Any


NESTED = {
    "chain": lambda watch: optax.chain(
        optax.clip_by_global_norm(1.0), watch(optax.scale_by_adam()), optax.scale(-0.01)
    ),
    "outside": lambda watch: watch(optax.MultiSteps(optax.adam(0.01), 2)),
    "masked": lambda watch: optax.masked(watch(optax.sgd(0.1)), {"in": False, "out": True}),
    "injected": lambda watch: optax.inject_hyperparams(lambda rate: watch(optax.sgd(rate)))(rate=0.1),
    "accumulated": lambda watch: optax.MultiSteps(watch(optax.sgd(0.1)), 2),
}


@pytest.mark.parametrize("name", NESTED)
def test_it_is_found_inside_other_transformations(name: str) -> None:
    loop = Loop()
    tx = NESTED[name](loop.monitor.instrument)
    loop.tx, loop.opt_state = tx, jax.tree.map(jnp.copy, tx.init(loop.params))
    loop.run(steps=4)
    assert loop.monitor.notices == []
    norms = loop.monitor.history["gradient/norm"]
    assert norms.layers == (("out",) if name == "masked" else ("in", "out"))
    # MultiSteps updates at every second step: only then there are new norms
    assert norms.steps.tolist() == ([1, 3] if name == "accumulated" else [0, 1, 2, 3])
    before = np.asarray(loop.params["out"]).copy()
    loop.opt_state = with_multiplier(Wrapped(loop.opt_state), 0.0).opt_state
    loop.monitor._desk.receive(Command("multiplier", 0.0))
    loop.run(steps=2)
    np.testing.assert_array_equal(loop.params["out"], before)
    assert loop.train_step._cache_size() == 1


def test_a_whole_training_state_and_frozen_parameters() -> None:
    monitor = nnw.Monitor(nnw.Objective(loss_fn, start()), budget=math.inf)
    tx = monitor.instrument(optax.adam(0.01))
    train = TrainState.create(apply_fn=None, params=core.freeze({"params": start()}), tx=tx)

    @jax.jit
    def step(train: TrainState, batch: Any, rng: Any) -> Any:
        loss, grads = jax.value_and_grad(lambda p: loss_fn(p["params"], batch, rng=rng))(train.params)
        return train.apply_gradients(grads=grads), loss

    for batch in monitor.steps(BATCHES):
        rng = jax.random.fold_in(KEY, monitor.step)
        train, loss = step(train, batch, rng)
        train = monitor.record(loss=loss, params=train.params, opt_state=train, batch=batch, rng=rng)
        if monitor.step == 2:
            monitor._desk.receive(Command("multiplier", 0.5))
    assert monitor.notices == []
    assert float(find_instrumented(train).multiplier) == 0.5
    assert monitor.history["gradient/norm"].layers == monitor.history["gradient/mean"].layers == ("in", "out")
    assert len(monitor.history["gradient/mean"]) == 3


def test_an_nnx_model_and_its_optimizer() -> None:
    objective, batch, model = models.make("nnx")
    monitor = nnw.Monitor(objective, budget=math.inf)
    optimizer = nnx.Optimizer(model, monitor.instrument(optax.adam(0.01)), wrt=nnx.Param)

    @nnx.jit
    def step(model: Any, optimizer: Any, batch: Any) -> Any:
        loss, grads = nnx.value_and_grad(lambda model: models.loss(model(batch[0]), batch[1]))(model)
        optimizer.update(model, grads)
        return loss

    monitor._desk.receive(Command("multiplier", 0.5))
    for each in monitor.steps([batch] * 4):
        loss = step(model, optimizer, each)
        params = nnx.state(model, nnx.Param)
        optimizer.opt_state = monitor.record(loss=loss, params=params, opt_state=optimizer.opt_state, batch=each)
    assert float(jax.tree.leaves(find_instrumented(optimizer.opt_state).multiplier)[0]) == 0.5
    assert monitor.history["gradient/norm"].layers == monitor.history["gradient/mean"].layers == objective.paths
    (notice,) = monitor.notices
    # dropout: the model's own draws are not the objective's
    assert "pass monitor.record(..., rng=...)" in notice.message


def test_without_a_batch_only_norms_are_read() -> None:
    loop = Loop()
    for batch in loop.monitor.steps(BATCHES):
        loop.params, loop.opt_state, loss = loop.train_step(loop.params, loop.opt_state, batch, KEY)
        loop.opt_state = loop.monitor.record(loss=loss, params=loop.params, opt_state=loop.opt_state)
    assert len(loop.monitor.history["gradient/norm"]) == 4
    assert "gradient/mean" not in loop.monitor.history
    assert loop.monitor.notices == []


def test_budget_zero_reads_only_the_loss() -> None:
    history = Loop(budget=0.0).run().history
    assert history.names() == ("train/loss", "train/twice")


def test_a_budget_is_kept_and_shown() -> None:
    loop = Loop(budget=0.05)
    loop.run(steps=300)
    every = loop.monitor.status.probe_every
    assert every is not None
    assert every["norms"] >= 1
    assert every["histograms"] == every["activations"] == every["statistics"] >= 1
    assert 2 <= len(loop.monitor.history["gradient/mean"]) <= len(loop.monitor.history["gradient/norm"]) <= 300


def test_a_short_last_batch_is_left_to_the_norms() -> None:
    short = (INPUTS[0, :3], TARGETS[0, :3])
    loop = Loop(donate=False)
    loop.run([*BATCHES, short])
    assert loop.monitor.notices == []
    assert len(loop.monitor.history["gradient/norm"]) == 5
    assert loop.monitor.history["gradient/mean"].steps.tolist() == [1, 2, 3]


def test_batches_of_other_shapes_are_said_once() -> None:
    loop = Loop(donate=False)
    loop.run([*BATCHES, *[(INPUTS[0, :3], TARGETS[0, :3])] * 8])
    (notice,) = loop.monitor.notices
    assert "only norms are read of them" in notice.message


def test_old_style_keys_draw_the_same_and_no_key_is_refused_in_words() -> None:
    for rng, text in (
        (jax.random.PRNGKey(3), ""),
        (3, "rng must be the step's key, such as jax.random.key(0), got int"),
    ):
        loop = Loop(donate=False)
        for batch in loop.monitor.steps(BATCHES):
            loop.params, loop.opt_state, loss = loop.train_step(loop.params, loop.opt_state, batch, jax.random.key(3))
            loop.opt_state = loop.monitor.record(
                loss=loss, params=loop.params, opt_state=loop.opt_state, batch=batch, rng=rng
            )
        assert [text in notice.message for notice in loop.monitor.notices] == ([True] if text else [])
        assert ("objective/loss" in loop.monitor.history) == (not text)


def test_an_optimizer_called_without_parameters_has_no_norms_of_them() -> None:
    loop = Loop()
    loop.tx = optax.GradientTransformation(loop.tx.init, lambda grads, state, params=None: given(grads, state))
    given = loop.monitor.instrument(optax.sgd(0.1)).update
    names = loop.run().history.names()
    assert "gradient/norm" in names
    assert "update/norm" in names
    assert not {"parameter/norm", "update/ratio"} & set(names)


def test_what_fails_inside_becomes_one_notice_and_the_loop_goes_on() -> None:
    def bad(snapshot: Any) -> Any:
        raise RuntimeError("no such thing")

    def share(snapshot: nnw.Snapshot) -> Any:
        return {"gradient/positive": {"in": (snapshot.grads["in"] > 0).mean()}}

    loop = Loop(probes=(bad, share), donate=False)
    loop.run()
    assert [notice.source for notice in loop.monitor.notices] == ["bad"]
    assert len(loop.monitor.history["gradient/positive"]) == 3


@pytest.mark.parametrize(
    ("params", "text"),
    [
        ({"in": jnp.ones((8, 12))}, "out is missing"),
        ({"in": jnp.ones((8, 12)), "out": jnp.ones((12, 3))}, r"out has shape \[12, 3\] instead of \[12, 2\]"),
        ({}, "in is missing; out is missing. Got no arrays"),
    ],
)
def test_parameters_of_another_model_are_said_once(params: Any, text: str) -> None:
    loop = Loop(donate=False)
    for batch in loop.monitor.steps(BATCHES, 8):
        loop.params, loop.opt_state, loss = loop.train_step(loop.params, loop.opt_state, batch, KEY)
        loop.opt_state = loop.monitor.record(loss=loss, params=params, opt_state=loop.opt_state, batch=batch)
    (notice,) = loop.monitor.notices
    assert notice.source == "histograms and activations"
    with pytest.raises(ValueError, match=text):
        raise ValueError(notice.message)
    assert len(loop.monitor.history["gradient/norm"]) == 8


def test_a_loss_that_is_not_the_objectives_is_said_once() -> None:
    loop = Loop(donate=False)
    for batch in loop.monitor.steps(BATCHES, 8):
        loop.params, loop.opt_state, loss = loop.train_step(loop.params, loop.opt_state, batch, KEY)
        loop.opt_state = loop.monitor.record(loss=3 * loss, params=loop.params, opt_state=loop.opt_state, batch=batch)
    (notice,) = loop.monitor.notices
    assert "see that both compute the same loss" in notice.message


def test_a_pass_without_record_and_a_record_without_a_loop() -> None:
    loop = Loop()
    for batch in loop.monitor.steps(BATCHES):
        loop.params, loop.opt_state, loss = loop.train_step(loop.params, loop.opt_state, batch, KEY)
    assert (loop.monitor.step, [notice.source for notice in loop.monitor.notices]) == (0, ["record"])
    assert "not called in a pass of the loop" in loop.monitor.notices[0].message
    loop.monitor.record(loss=loss, params=loop.params, opt_state=loop.opt_state)
    assert len(loop.monitor.history["train/loss"]) == 1
    assert "for batch in monitor.steps(batches)" in loop.monitor.notices[1].message


def test_misuse_is_refused_in_words() -> None:
    loop = Loop()
    good = {"loss": 1.0, "params": loop.params, "opt_state": loop.opt_state}
    record: Any = loop.monitor.record
    wrong: list[tuple[dict[str, Any], type[Exception], str]] = [
        ({"loss": jnp.ones(3)}, ValueError, r"loss must be a scalar, got shape \[3\]: take its mean"),
        ({"loss": None}, TypeError, "loss must be a number, got NoneType"),
        ({"accuracy": jnp.ones(2)}, ValueError, "the metric 'accuracy' must be a scalar"),
        ({"params": None}, TypeError, "params must be the parameters after the step"),
        ({"opt_state": optax.adam(1.0).init(loop.params)}, ValueError, r"tx = monitor.instrument\(optax.adam"),
        ({"opt_state": (loop.opt_state,) * 2}, ValueError, "holds 2 instrumented optimizers, wanted one"),
    ]
    for options, error, text in wrong:
        with pytest.raises(error, match=text):
            record(**good | options)
    with pytest.raises(TypeError, match="params"):
        record(loss=1.0, opt_state=loop.opt_state)
    with pytest.raises(TypeError, match=r"call monitor\.record outside of jit"):
        jax.jit(lambda loss: record(**good | {"loss": loss}))(1.0)
    assert loop.monitor.step == 0


@pytest.mark.parametrize(
    ("batches", "steps", "error", "text"),
    [
        (3, None, TypeError, r"monitor.steps\(\[batch\], steps=100\)"),
        (lambda step: step, None, ValueError, r"monitor.steps\(batches, steps=1000\)"),
        ([1], 0, ValueError, "how many steps"),
        ([], None, ValueError, "batches is empty"),
        (iter([]), 5, ValueError, "batches is empty"),
    ],
)
def test_bad_batches_say_what_to_type(batches: Any, steps: Any, error: Any, text: str) -> None:
    with pytest.raises(error, match=text):
        list(Loop().monitor.steps(batches, steps))


@pytest.mark.parametrize("name", ["rewind", "fork", "replay"])
def test_what_needs_a_session_says_so(name: str) -> None:
    with pytest.raises(AttributeError, match=rf"a Monitor has no {name}\(\).*nnw.Session\(objective, tx, batches\)"):
        getattr(Loop().monitor, name)
    with pytest.raises(AttributeError, match="no attribute 'stepss'"):
        _ = Loop().monitor.stepss


def test_it_shows_itself_in_words_and_logs() -> None:
    loop = Loop()
    monitor = loop.run()
    monitor.log(temperature=21.5)
    assert monitor.history["log/temperature"].steps.tolist() == [4]
    assert repr(monitor).startswith("nnwidgets: finished, step 4 of 4")
    with pytest.raises(ValueError, match="no such pause condition"):
        monitor.pause_when("full moon")
    bundle = monitor._repr_mimebundle_()
    assert bundle["text/plain"] == repr(monitor)
    monitor.dashboard.close()


def test_updates_keep_their_dtype() -> None:
    params = {"a": jnp.ones((3, 4), jnp.bfloat16), "b": jnp.ones(4)}
    for tx in (optax.adam(1e-3), optax.adam(SCHEDULE), optax.lbfgs(1e-3, linesearch=None)):
        updates = [
            jax.eval_shape(lambda tx=each: tx.update(params, tx.init(params), params)[0])
            for each in (tx, instrument(tx))
        ]
        assert updates[0] == updates[1]
    assert isinstance(instrument(optax.adam(1e-3)).init(params), InstrumentedState)
