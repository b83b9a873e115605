"""The rule that speaks after a gradient check."""

from __future__ import annotations

import pytest

from nnwidgets.records import GradientReport, History, RuleCheck, TensorCheck, UnknownReading
from nnwidgets.rules import WrongGradient


def judged(*tensors: TensorCheck, rules: tuple[RuleCheck, ...] = ()):
    history = History()
    history.add_gradient_report(GradientReport(tensors, rules, step=12))
    return WrongGradient().check(history)


def test_it_waits_for_a_check_and_is_silent_on_right_gradients() -> None:
    with pytest.raises(UnknownReading, match=r"session.gradcheck\(\)"):
        WrongGradient().check(History())
    verdicts = ("ok", "kink", "unreached", "unsure", "skipped")
    assert judged(*(TensorCheck(each, (1,), each) for each in verdicts)) is None


def test_a_wrong_gradient_is_a_problem_with_its_line() -> None:
    rule = RuleCheck("f", "custom_vjp", "model.py:3", None, 0.5, wrong=True)
    right = RuleCheck("g", "custom_vjp", "model.py:1", None, 1e-9, wrong=False)
    found = judged(
        TensorCheck("a", (1,), "stopped"), TensorCheck("w", (1,), "wrong", 0.5, words="custom_vjp f at model.py:3"),
        TensorCheck("v", (1,), "wrong", 0.25), rules=(right, rule),
    )  # fmt: skip
    assert found is not None
    assert (found.severity, found.where, found.line, found.step) == ("problem", "w", "model.py:3", 12)
    assert found.explanation == (
        "The gradient of w and of 1 more is not the slope of the loss. Cause: custom_vjp f at model.py:3."
    )
    assert found.evidence == {"relative error w": 0.5, "relative error v": 0.25}


@pytest.mark.parametrize(("verdict", "severity"), [("stopped", "note"), ("non-finite", "problem")])
def test_what_may_be_meant_is_a_note(verdict: str, severity: str) -> None:
    found = judged(TensorCheck("w", (1,), verdict))  # pyright: ignore[reportArgumentType]
    assert found is not None
    assert found.severity == severity


def test_the_newest_check_decides() -> None:
    history = History()
    history.add_gradient_report(GradientReport((TensorCheck("w", (1,), "wrong", 0.5),)))
    history.add_gradient_report(GradientReport((TensorCheck("w", (1,), "ok", 1e-9),)))
    assert WrongGradient().check(history) is None
