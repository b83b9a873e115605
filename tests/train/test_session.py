"""Session: it learns, it is steered, and watching it changes nothing."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import nnwidgets as nnw
from nnwidgets.checks import FewPoints
from nnwidgets.records import Command

GENERATOR = np.random.default_rng(0)
INPUTS = GENERATOR.normal(size=(4, 16, 8)).astype(np.float32)
TARGETS = (INPUTS.sum(-1) > 0).astype(np.int32)
BATCHES = list(zip(INPUTS, TARGETS, strict=True))


def loss_fn(params: Any, batch: Any, *, rng: Any, train: bool) -> Any:
    inputs, targets = batch
    hidden = jax.nn.relu(inputs @ params["in"])
    if train:
        hidden = hidden * jax.random.bernoulli(rng, 0.9, hidden.shape)
    outputs = hidden @ params["out"]
    loss = optax.softmax_cross_entropy_with_integer_labels(outputs, targets).mean()
    return loss, {"outputs": outputs, "targets": targets}


def make(budget: float = 0.05, tx: Any = None, **options: Any) -> nnw.Session:
    params = {"in": 0.3 * jax.random.normal(jax.random.key(1), (8, 12)), "out": jnp.full((12, 2), 0.1)}
    return nnw.Session(nnw.Objective(loss_fn, params), tx or optax.adam(0.01), BATCHES, budget=budget, **options)


def test_watching_changes_no_bit_and_the_loss_falls() -> None:
    bare, watched = make(0.0).run(200), make(math.inf).run(200)
    assert jax.tree.all(jax.tree.map(lambda a, b: bool((a == b).all()), bare.params, watched.params))
    loss = watched.history["train/loss"]
    assert len(loss) == 200
    assert loss.values[-20:].mean() < loss.values[:20].mean() / 2
    assert "gradient/norm" not in bare.history
    assert len(watched.history["gradient/norm"]) == 200


def test_a_plain_loop_gives_the_same_loss() -> None:
    session = make(0.0, tx=optax.sgd(0.1)).run(3)
    params, key = make().params, jax.random.key(0)
    for step in range(3):
        rng = jax.random.fold_in(key, step)
        grads = jax.grad(lambda p, rng=rng, step=step: loss_fn(p, BATCHES[step], rng=rng, train=True)[0])(params)
        params = jax.tree.map(lambda p, g: p - 0.1 * g, params, grads)
    np.testing.assert_allclose(session.params["in"], params["in"], rtol=1e-5, atol=1e-6)


def test_readings_are_those_of_the_step() -> None:
    session = make(math.inf, tx=optax.sgd(0.5)).run(1)
    rng = jax.random.fold_in(jax.random.key(0), 0)
    before = make().params
    grads = jax.grad(lambda p: loss_fn(p, BATCHES[0], rng=rng, train=True)[0])(before)
    norms = session.history["gradient/norm"]
    assert norms.layers == ("in", "out")
    np.testing.assert_allclose(norms.values[0], [np.linalg.norm(grads["in"]), np.linalg.norm(grads["out"])], rtol=1e-5)
    ratio = [0.5 * np.linalg.norm(grads[name]) / np.linalg.norm(before[name]) for name in ("in", "out")]
    np.testing.assert_allclose(session.history["update/ratio"].values[0], ratio, rtol=1e-5)


def test_stop_from_a_condition_is_resumable_and_exact() -> None:
    stopped = make()
    stopped.pause_when(7)
    stopped.run(20)
    assert (stopped.step, stopped.status.state) == (7, "paused")
    stopped.run()
    assert (stopped.step, stopped.status.state) == (20, "finished")
    straight = make().run(20)
    assert bool((stopped.params["in"] == straight.params["in"]).all())


def test_stop_ends_the_run_between_two_steps() -> None:
    session = make()

    def batches(step: int) -> Any:
        if step == 5:
            session._desk.receive(Command("stop"))
        return BATCHES[0]

    session._batches = type(session._batches)(batches)
    assert session.run(50).step == 6
    assert session.run(2).step == 8


def test_multiplier_zero_holds_the_parameters() -> None:
    session = make()
    before = np.asarray(session.params["in"]).copy()
    session._desk.receive(Command("multiplier", 0.0))
    session.run(3)
    np.testing.assert_array_equal(session.params["in"], before)
    assert session.history["run/multiplier"].values.tolist() == [[0.0]]
    session._desk.receive(Command("multiplier", -1.0))
    assert "at least 0" in session.notices[-1].message


def test_an_interrupt_leaves_a_run_that_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    session = make()

    def batches(step: int) -> Any:
        if step == 3 and not hit:
            hit.append(step)
            raise KeyboardInterrupt
        return BATCHES[0]

    hit: list[int] = []
    session._batches = type(session._batches)(batches)
    with pytest.raises(KeyboardInterrupt):
        monkeypatch.delitem(__import__("sys").modules, "ipykernel", raising=False)
        session.run(6)
    assert (session.step, session.run().step) == (3, 6)


def test_a_probe_and_a_rule_that_fail_become_one_notice_each() -> None:
    class Broken:
        def check(self, history: Any) -> None:
            raise RuntimeError("no such thing")

    def bad(snapshot: Any) -> Any:
        raise RuntimeError("nor this")

    def sign(snapshot: nnw.Snapshot) -> Mapping[str, Any]:
        return {"gradient/positive": {"in": (snapshot.grads["in"] > 0).mean()}}

    session = make(math.inf, probes=(bad, sign), rules=(Broken(),)).run(3)
    assert session.findings == ()
    assert sorted(notice.source for notice in session.notices) == ["Broken", "bad"]
    assert len(session.history["gradient/positive"]) == 3


def test_non_finite_is_found_and_a_healthy_run_is_silent() -> None:
    assert make().run(100).findings == ()
    (finding,) = make(tx=optax.sgd(1e30)).run(10).findings
    assert (finding.rule, finding.severity) == ("NonFinite", "problem")


def test_validation_and_accuracy_have_their_curves() -> None:
    history = make(validation=BATCHES[:1], validation_every=5).run(10).history
    assert history["validation/loss"].steps.tolist() == [5, 10]
    assert 0 <= history["train/accuracy"].values.min() <= history["validation/accuracy"].values.max() <= 1


@pytest.mark.parametrize(
    ("batches", "text"),
    [
        ([], "batches is empty"),
        (iter([]), "batches is empty"),
        ([BATCHES[0], (INPUTS[0, :3], TARGETS[0, :3])], "drop the short last batch"),
    ],
)
def test_bad_batches_say_what_to_type(batches: Any, text: str) -> None:
    with pytest.raises(ValueError, match=text):
        nnw.Session(nnw.Objective(loss_fn, make().params), optax.adam(0.1), batches).run(5)


def test_a_generator_ends_the_run_in_words() -> None:
    session = nnw.Session(nnw.Objective(loss_fn, make().params), optax.adam(0.1), iter(BATCHES)).run(50)
    assert (session.step, session.status.message) == (4, "the data ended after 4 batches")


def test_wrong_wishes_are_refused() -> None:
    session = make()
    with pytest.raises(ValueError, match=r"type session\.run\(1000\)"):
        session.run()
    with pytest.raises(ValueError, match="no such pause condition"):
        session.pause_when("full moon")
    with pytest.raises(ValueError, match="budget must be"):
        make(-1.0)


def stream(kind: str) -> Iterator[Any]:
    """Sources that are met in practice, and that must be read one batch at a time."""
    rows = np.random.default_rng(0).normal(size=(36 * 8, 3)).astype(np.float32)
    if kind == "repeat":
        return itertools.repeat(rows[:8])
    if kind == "views":
        return (rows[i % 36 :: 36] for i in itertools.count())

    def refilled() -> Iterator[Any]:
        buffer = np.empty((8, 3), np.float32)
        for i in itertools.count():
            buffer[:] = rows[8 * (i % 36) : 8 * (i % 36) + 8]
            yield buffer

    return refilled()


def squares(params: Any, batch: Any) -> Any:
    return jnp.mean((batch @ params["w"] - 1.0) ** 2)


@pytest.mark.parametrize("kind", ["repeat", "views", "refilled"])
def test_watching_and_checking_change_nothing_of_what_a_stream_gives(kind: str) -> None:
    watched, alone = (
        nnw.Session(nnw.Objective(squares, {"w": jnp.zeros(3)}), optax.sgd(0.1), stream(kind), budget=budget)
        for budget in (0.05, 0.0)
    )
    watched.run(4)
    watched.checklist("zeroed input")
    watched.look("weights")
    watched.run(8)
    alone.run(12)
    assert watched.history["train/loss"].values.tobytes() == alone.history["train/loss"].values.tobytes()


def test_a_batch_of_another_shape_is_not_lost_by_who_looks_ahead() -> None:
    batches = [np.ones((4, 3), np.float32), 2 * np.ones((4, 3), np.float32), np.ones((2, 3), np.float32)]
    session = nnw.Session(nnw.Objective(squares, {"w": jnp.zeros(3)}), optax.sgd(0.1), iter(batches))
    session.checklist("zeroed input")
    with pytest.raises(ValueError, match="the batch of step 2 differs"):
        session.run(5)
    assert session.step == 2
    with pytest.raises(ValueError, match="the batch of step 2 differs"):
        session.run(1)


def test_misspelt_views_and_checks_are_named() -> None:
    session = nnw.Session(nnw.Objective(squares, {"w": jnp.zeros(3)}), optax.sgd(0.1), [np.ones((4, 3), np.float32)])
    with pytest.raises(ValueError, match="no view 'filter'; there are activations, feature maps"):
        session.look("filter")
    with pytest.raises(ValueError, match="no order 'best'"):
        session.look(order="best")
    with pytest.raises(ValueError, match="no check named first; there are few points"):
        session.checklist("first")
    with pytest.raises(TypeError, match=r"give an instance, FewPoints\(\)"):
        nnw.Session(session.objective, optax.sgd(0.1), [np.ones((4, 3), np.float32)], checks=(FewPoints,))
