"""What users get wrong first: each is told in one sentence, and the run is not lost."""

from __future__ import annotations

from typing import Any

import jax.numpy as jnp
import numpy as np
import optax
import pytest

import nnwidgets as nnw

BATCH = np.ones((4, 2), np.float32)


def loss_fn(params: Any, batch: Any) -> Any:
    return jnp.mean((batch @ params["w"] - 1.0) ** 2)


def objective(loss: Any = loss_fn) -> nnw.Objective:
    return nnw.Objective(loss, {"w": jnp.zeros(2)})


def session(**options: Any) -> nnw.Session:
    return nnw.Session(objective(), optax.sgd(0.1), [BATCH], **options)


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ((loss_fn, optax.sgd(0.1), [BATCH]), r"got the function loss_fn: type nnw\.Objective\(loss_fn, params\)"),
        ((objective(), optax.adam, [BATCH]), r"got the function adam: call it, optax\.adam\(1e-3\)"),
        ((objective(), [BATCH], optax.sgd(0.1)), "tx must be an optax transformation, got a list"),
        ((objective(), optax.sgd(0.1), (BATCH, BATCH)), "one batch, a tuple of 2 arrays"),
        ((objective(), optax.sgd(0.1), lambda: BATCH), "does not take a step"),
    ],
)
def test_wrong_arguments_of_a_session(arguments: Any, text: str) -> None:
    with pytest.raises(TypeError, match=text):
        nnw.Session(*arguments)


def test_wrong_arguments_of_a_monitor() -> None:
    with pytest.raises(TypeError, match="got the function loss_fn"):
        nnw.Monitor(loss_fn)  # pyright: ignore[reportArgumentType]
    with pytest.raises(TypeError, match="got the function adam: call it"):
        nnw.Monitor(objective()).instrument(optax.adam)  # pyright: ignore[reportArgumentType]


def test_parts_that_are_no_sequences() -> None:
    with pytest.raises(TypeError, match=r"rules must be a sequence.*\*nnw\.DEFAULT_RULES, mine"):
        session(rules=nnw.DEFAULT_RULES[0])
    with pytest.raises(ValueError, match=r"0\.05 for 5 %"):
        session(budget=5)


def test_numbers_of_ones_own_belong_under_metrics() -> None:
    wrong = objective(lambda params, batch: (loss_fn(params, batch), {"accuracy": 1.0}))
    with pytest.raises(ValueError, match=r"aux has the keys 'accuracy'.*under metrics"):
        nnw.Session(wrong, optax.sgd(0.1), [BATCH])


def test_an_error_in_the_loss_names_the_batch() -> None:
    with pytest.raises(TypeError) as caught:
        nnw.Session(objective(), optax.sgd(0.1), [BATCH[:, :1]])
    assert any("on a batch of float32[4, 1]" in note for note in caught.value.__notes__)


def test_a_generator_that_has_ended_is_an_error_the_second_time() -> None:
    run = nnw.Session(objective(), optax.sgd(0.1), iter([BATCH] * 3)).run(10)
    assert run.status.message == "the data ended after 3 batches"
    with pytest.raises(ValueError, match="no batch left for step 3"):
        run.run(10)
    with pytest.raises(ValueError, match=r"how many steps\? Got 2\.5"):
        run.run(2.5)  # pyright: ignore[reportArgumentType]


def test_a_rule_waits_for_what_it_reads() -> None:
    class Large:
        def check(self, history: nnw.History) -> Any:
            loss = history["train/loss"].values[-1, 0]
            return nnw.Finding("Large", "note", "", 0, f"the loss is {loss:.1f}", "") if loss > 0 else None

    class Words:
        def check(self, history: nnw.History) -> Any:
            return "loss" if "train/loss" in history else None

    run = session(rules=(Large(), Words(), Large)).run(5)
    assert [finding.rule for finding in run.findings] == ["Large"]
    notices = {notice.source: notice.message for notice in run.notices}
    assert "must return a Finding" in notices["Words"]
    assert "give an instance, Large()" in notices["Large"]
    with pytest.raises(ValueError, match="severity must be one of note, warning, problem; got 'error'"):
        nnw.Finding("Large", "error", "", 0, "", "")  # pyright: ignore[reportArgumentType]


def test_a_condition_that_fails_is_dropped_and_one_without_its_reading_waits() -> None:
    run = session()
    run.pause_when(lambda readings: 1 / 0)
    run.pause_when(lambda readings: readings["loss"] > 1)
    assert run.run(25).step == 25
    failed, waits = (notice.message for notice in run.notices)
    assert "failed and was dropped: ZeroDivisionError" in failed
    assert "waits for the reading 'loss'" in waits
    assert "train/loss" in waits
    run.pause_when(lambda readings: readings["gradient/norm"] >= 0)
    assert run.run(5).step == 26
    with pytest.raises(ValueError, match="no such pause condition: -3"):
        run.pause_when(-3)


def test_the_model_comes_back_trained() -> None:
    run = session().run(50)
    np.testing.assert_allclose(BATCH @ run.model["w"], 1.0, atol=1e-3)
