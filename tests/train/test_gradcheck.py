"""Gradient checks of a session: by call, by button, at a cadence; the run is the same with them and without."""

from __future__ import annotations

import functools
import time
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import nnwidgets as nnw
from nnwidgets.records import Command


@jax.custom_vjp
def halved(x: jax.Array) -> jax.Array:
    """A product with one, whose rule gives half of the gradient."""
    return 1 * x


halved.defvjp(lambda x: (1 * x, None), lambda _, g: (0.5 * g,))

INPUTS = np.random.default_rng(0).normal(size=(16, 6)).astype(np.float32)
LABELS = (INPUTS.sum(-1) > 0).astype(np.int64)  # NumPy's own integers, as users have them


def make(faulty: bool = False, **options: Any) -> nnw.Session:
    def loss_fn(params: Any, batch: Any, *, rng: Any) -> Any:
        inputs, labels = batch
        hidden = jax.nn.relu(inputs @ params["in"])
        hidden = hidden * jax.random.bernoulli(rng, 0.9, hidden.shape)
        logits = (halved(hidden) if faulty else hidden) @ params["out"]
        return optax.softmax_cross_entropy_with_integer_labels(logits, labels).mean()

    params = {"in": 0.3 * jax.random.normal(jax.random.key(1), (6, 8)), "out": jnp.full((8, 2), 0.1)}
    return nnw.Session(nnw.Objective(loss_fn, params), optax.adam(0.01), [(INPUTS, LABELS)], **options)


def test_a_right_gradient_is_right_before_and_during_training() -> None:
    session = make()
    assert session.gradcheck().ok
    report = session.run(5).gradcheck("full")
    assert report.ok
    assert report.step == 5
    assert report.examples == 8
    assert [each.step for each in session.history.gradient_reports] == [0, 5]
    assert not session.findings


def test_a_wrong_rule_becomes_a_finding_with_its_line() -> None:
    session = make(faulty=True)
    report = session.run(3).gradcheck()
    assert report.verdict("in") == "wrong"
    assert report.verdict("out") == "ok"
    (finding,) = session.findings
    assert (finding.rule, finding.severity, finding.where) == ("WrongGradient", "problem", "in")
    assert finding.line is not None
    assert finding.line.startswith(__file__)
    assert "in: wrong" in repr(session) or "WrongGradient in" in repr(session)


def test_a_cadence_checks_on_the_way_and_changes_no_bit() -> None:
    bare, checked = make(budget=0.0).run(20), make(gradcheck_every=6, budget=0.0).run(20)
    assert [each.step for each in checked.history.gradient_reports] == [6, 12, 18]
    assert all(each.ok and each.tier == "whole" for each in checked.history.gradient_reports)
    assert jax.tree.all(jax.tree.map(lambda a, b: bool((a == b).all()), bare.params, checked.params))
    assert jnp.asarray(1.0).dtype == jnp.float32


def test_a_click_before_the_run_checks_in_the_background() -> None:
    session = make()
    session.dashboard._send(Command("gradcheck", "quick"))
    until = time.monotonic() + 120
    while not session.history.gradient_reports and time.monotonic() < until:
        time.sleep(0.05)
    assert session.history.gradient_reports[-1].ok


def test_a_click_during_the_run_checks_between_two_steps() -> None:
    session = make()
    session._desk.controls.send(Command("gradcheck", "quick"))
    session.run(4)
    assert [each.step for each in session.history.gradient_reports] == [0]
    assert session.step == 4


def test_what_fails_in_a_check_becomes_a_notice_and_the_run_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    session = make()

    def fail(*arguments: Any, **options: Any) -> None:
        raise RuntimeError("no memory")

    monkeypatch.setattr("nnwidgets.gradchecks.ObjectiveCheck.__call__", fail)
    session._desk.controls.send(Command("gradcheck", "quick"))
    assert session.run(3).step == 3
    assert [(each.source, each.message) for each in session.notices] == [("gradcheck", "no memory")]


def test_one_that_fails_under_way_leaves_no_words_behind(monkeypatch: pytest.MonkeyPatch) -> None:
    session = make()

    def fail(*arguments: Any, told: Any, **options: Any) -> None:
        told("checking gradients: compiling")
        assert session.dashboard._status.message
        raise RuntimeError("no memory")

    monkeypatch.setattr("nnwidgets.gradchecks.ObjectiveCheck.__call__", fail)
    with pytest.raises(RuntimeError, match="no memory"):
        session.gradcheck()
    assert not session.dashboard._status.message


@pytest.mark.parametrize("every", ["x", 0, -5, 2.5, True])
def test_a_cadence_that_is_none(every: Any) -> None:
    with pytest.raises(ValueError, match="gradcheck_every must be a number of steps of at least 1, or None; got"):
        make(gradcheck_every=every)


def test_an_unknown_tier_says_which_there_are() -> None:
    with pytest.raises(ValueError, match="tier must be one of whole, quick, full; got 'slow'"):
        make().gradcheck("slow")


def test_a_monitor_checks_between_the_steps_of_a_loop_of_ones_own() -> None:
    def loss_fn(params: Any, batch: Any) -> Any:
        return jnp.mean((halved(batch @ params["w"])) ** 2)

    monitor = nnw.Monitor(nnw.Objective(loss_fn, {"w": jnp.ones(3)}))
    with pytest.raises(ValueError, match="no batch to check the gradients on"):
        monitor.gradcheck()
    tx = monitor.instrument(optax.sgd(0.1))
    params = {"w": jnp.ones(3)}
    opt_state = tx.init(params)

    @functools.partial(jax.jit, donate_argnums=(0, 1))
    def train_step(params: Any, opt_state: Any, batch: Any) -> Any:
        loss, grads = jax.value_and_grad(loss_fn)(params, batch)
        updates, opt_state = tx.update(grads, opt_state, params)
        return optax.apply_updates(params, updates), opt_state, loss

    for batch in monitor.steps([INPUTS[:, :3]] * 4):
        if monitor.step == 2:
            assert monitor.gradcheck().verdict("w") == "wrong"
        params, opt_state, loss = train_step(params, opt_state, batch)
        if monitor.step == 3:
            with pytest.raises(ValueError, match="the parameters were donated"):
                monitor.gradcheck()
        opt_state = monitor.record(loss=loss, params=params, opt_state=opt_state, batch=batch)
    assert monitor.step == 4
    assert [each.step for each in monitor.history.gradient_reports] == [2]
