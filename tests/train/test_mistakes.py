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
        ((objective(), optax.sgd(0.1), {"x": BATCH}), r"one batch, a dict of 1 arrays.*\[\{\.\.\.\}\]"),
        ((objective(), optax.sgd(0.1), lambda: BATCH), "does not take a step"),
    ],
)
def test_wrong_arguments_of_a_session(arguments: Any, text: str) -> None:
    with pytest.raises(TypeError, match=text):
        nnw.Session(*arguments)


@pytest.mark.parametrize(
    ("validation", "error", "text"),
    [
        ((BATCH, BATCH), TypeError, r"validation is one batch, a tuple of 2 arrays.*into a list"),
        ({"x": BATCH}, TypeError, "validation is one batch, a dict of 1 arrays"),
        (lambda step: BATCH, TypeError, "validation must be an iterable of batches, got a function"),
        (iter([BATCH]), ValueError, r"got a generator: type list\(validation\)"),
        (
            [(BATCH, BATCH)],
            ValueError,
            r"first batch of validation, \(float32\[4, 2\], float32\[4, 2\]\).* float32\[4, 2\]: ",
        ),
    ],
)
def test_wrong_validation_is_told_before_the_first_step(validation: Any, error: type[Exception], text: str) -> None:
    with pytest.raises(error, match=text):
        session(validation=validation)


def test_an_error_on_a_later_batch_of_validation_names_it() -> None:
    run = session(validation=[BATCH, BATCH[:, :1]], validation_every=1)
    with pytest.raises(TypeError) as caught:
        run.run(1)
    assert any("a batch of validation, float32[4, 1]" in note for note in caught.value.__notes__)


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
