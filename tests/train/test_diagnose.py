"""`Session.diagnose`: suspicions become verdicts, remedies are tried, and the run stays what it is."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import nnwidgets as nnw
from nnwidgets.train._experiments import EXPERIMENTS

RNG = np.random.default_rng(0)
LABELS = RNG.integers(0, 4, 320).astype(np.int32)
INPUTS = (2 * RNG.normal(size=(4, 6))[LABELS] + 0.6 * RNG.normal(size=(320, 6))).astype(np.float32)
BATCHES = [(INPUTS[i : i + 32], LABELS[i : i + 32]) for i in range(0, 320, 32)]


def logits_of(params: Any, inputs: Any) -> Any:
    hidden = jnp.tanh(inputs @ params["hidden"]["w"] + params["hidden"]["b"])
    return hidden @ params["head"]["w"] + params["head"]["b"]


def right(params: Any, batch: Any) -> Any:
    return optax.softmax_cross_entropy_with_integer_labels(logits_of(params, batch[0]), batch[1]).mean()


def twice(params: Any, batch: Any) -> Any:
    outputs = jax.nn.softmax(logits_of(params, batch[0]))
    return optax.softmax_cross_entropy_with_integer_labels(outputs, batch[1]).mean()


def averaged_first(params: Any, batch: Any) -> Any:
    wrong = logits_of(params, batch[0])[:, 0] - batch[1]
    return wrong.mean() ** 2


STEEPEST = float(np.linalg.eigvalsh(INPUTS.T @ INPUTS / len(INPUTS)).max())


def parabola(params: Any, batch: Any) -> Any:
    return ((batch[0] @ params["hidden"]["w"][:, 0] - batch[1]) ** 2).mean()


def session(loss: Any = right, tx: Any = None, **more: Any) -> nnw.Session:
    first, second = jax.random.split(jax.random.key(0))
    params = {
        "hidden": {"w": jax.random.normal(first, (6, 16)) / 6**0.5, "b": jnp.zeros(16)},
        "head": {"w": jax.random.normal(second, (16, 4)) / 4, "b": jnp.zeros(4)},
    }
    return nnw.Session(nnw.Objective(loss, params, **more), tx or optax.adam(1e-2), BATCHES)


def bits(tree: Any) -> list[bytes]:
    return [np.asarray(leaf).tobytes() for leaf in jax.tree.leaves(tree)]


def test_a_healthy_program_has_nothing_red_and_trains_the_same_bits() -> None:
    watched, plain = session(), session()
    report = watched.diagnose(120)
    plain.run(120)
    assert report.healthy, report
    assert (report.steps, watched.step) == (120, 120)
    assert bits(watched.params) == bits(plain.params)
    assert {"SoftmaxTwice", "NonFinite", "Divergence"} <= set(report.passed)
    assert report.checks[0].verdict == "ok"
    told = json.loads(report.to_json())
    assert set(told) >= {"findings", "checks", "passed", "steps", "seconds"}
    assert report.notices == ()


@pytest.mark.parametrize("steps", [0, -3, 2.5, "many", None])
def test_no_number_of_steps_says_what_to_type(steps: Any) -> None:
    with pytest.raises(ValueError, match=rf"at least 1, got {steps!r}: type session\.diagnose\(200\)\.$"):
        session().diagnose(steps)


def test_a_wrong_loss_is_named_before_the_first_step_and_another_one_tried() -> None:
    made = session(twice, optax.sgd(0.3))
    made.objective.alternatives = {"logits": session().objective}
    (found,) = [each for each in made.lint() if each.severity == "problem"]
    assert (found.rule, made.step) == ("SoftmaxTwice", 0)
    assert found.evidence["code"] == "outputs = jax.nn.softmax(logits_of(params, batch[0]))"
    tried = made.verify(found)
    assert tried.verified
    assert "it helped" in tried.tried
    assert [each.tried for each in made.findings if each.rule == "SoftmaxTwice"] == [tried.tried]


def test_a_rate_that_is_too_high_is_confirmed_and_the_lower_one_verified() -> None:
    # a parabola whose steepest direction is overshot by a little: the loss grows at every step
    report = session(parabola, optax.sgd(2.1 / (2 * STEEPEST))).diagnose(120, verify=True)
    first = report.findings[0]
    assert first.rule in ("LearningRateTooHigh", "Divergence"), report
    assert first.severity == "problem"
    rates = [each for each in report.findings if each.rule == "LearningRateTooHigh"]
    assert rates, report
    assert "a tenth of the learning rate" in rates[0].confirmed
    assert any(each.verified for each in report.findings if each.change == ("multiplier", 0.1)), report


@pytest.mark.parametrize("rate", [1e-7, 1e-5])
def test_a_rate_that_is_far_too_low_is_named_and_raised_to_where_updates_are_usual(rate: float) -> None:
    found = session(tx=optax.adam(rate)).diagnose(steps=100)
    first = found.findings[0]
    assert (first.rule, first.severity) == ("LearningRateTooLow", "problem"), found
    assert first.change is not None and f"{first.change[1]:g} times the learning rate" in first.confirmed
    assert not [each for each in found.findings[1:] if each.severity == "problem"]


def test_a_busy_machine_does_not_keep_a_diagnosis_from_looking() -> None:
    busy = session()
    busy._desk.governor.charge_all(1e6)
    busy.diagnose(steps=100)
    assert len(busy.history["update/ratio"]) >= 20 and len(busy.history["activation/mean"]) >= 20


def test_errors_that_are_averaged_before_they_are_squared_are_named() -> None:
    found = {each.rule: each for each in session(averaged_first).lint()}
    assert found["MeanBeforeLoss"].line == f"{__file__}:{_line('wrong.mean() ** 2')}"


def test_a_remedy_that_cannot_be_run_is_refused_in_words() -> None:
    made = session(twice)
    with pytest.raises(ValueError, match="the remedy of SoftmaxTwice cannot be run: Return the logits"):
        made.verify(made.lint()[0])


def test_every_experiment_that_a_rule_names_exists() -> None:
    sources = [
        path.read_text(encoding="utf-8")
        for wing in ("lint", "rules")
        for path in (Path(nnw.__file__).parent / wing).glob("*.py")
    ]
    named = {name for text in sources for name in re.findall(r'confirm="([^"]+)"', text)}
    assert named
    assert named <= set(EXPERIMENTS)


def _line(code: str) -> int:
    lines = Path(__file__).read_text(encoding="utf-8").splitlines()
    return next(i for i, line in enumerate(lines, 1) if line.strip() == f"return {code}")
