"""The record of a gradient check: its words, and that it is saved."""

from __future__ import annotations

from pathlib import Path

import pytest

from nnwidgets.records import GradientReport, History, RuleCheck, TensorCheck
from nnwidgets.records._gradient_report import MEANING, reading

REPORT = GradientReport(
    (
        TensorCheck(
            "a", (2,), "ok", 1e-9, analytic=(1.0, float("nan")), numeric=(1.0, 2.0), sampled=("direction", "1")
        ),
        TensorCheck("b", (), "wrong", 0.5, slopes=(0.0, 1.0), shares={"data": 1.0}, words="custom_vjp f at m.py:3"),
    ),
    (RuleCheck("f", "custom_vjp", "m.py:3", "m.py:1", 0.5, wrong=True),),
    step=3,
    notes=("a note",),
)


def test_the_text_has_the_verdicts_the_cause_and_the_notes() -> None:
    lines = repr(REPORT).splitlines()
    assert lines[0] == "gradient check (quick, float64): 1 wrong of 2 tensors"
    assert lines[1].split()[:2] == ["b", "wrong"]
    assert lines[2].split()[:2] == ["a", "ok"]
    assert lines[3] == "  cause: custom_vjp f at m.py:3 (defined at m.py:1), error 5.0e-01"
    assert lines[4] == "  note: a note"


def test_it_is_ok_without_suspects() -> None:
    assert not REPORT.ok
    assert [each.path for each in REPORT.suspects] == ["b"]
    assert GradientReport((REPORT.tensors[0],)).ok
    assert REPORT.verdict("a") == "ok"
    with pytest.raises(KeyError, match="no tensor 'c': there are a, b"):
        REPORT.verdict("c")


def test_it_is_saved_with_the_history_and_forgotten_by_a_rewind(tmp_path: Path) -> None:
    history = History()
    history.add_gradient_report(REPORT)
    (loaded,) = History.load(history.save(tmp_path / "run.npz")).gradient_reports
    assert repr(loaded) == repr(REPORT)
    assert loaded.tensors[1] == REPORT.tensors[1]
    assert loaded.rules == REPORT.rules
    history.truncate(3)
    assert history.gradient_reports
    history.truncate(2)
    assert not history.gradient_reports


def test_only_the_newest_are_kept() -> None:
    history = History()
    for _ in range(50):
        history.add_gradient_report(REPORT)
    assert len(history.gradient_reports) == 20


def test_every_verdict_has_a_meaning_and_every_error_a_reading() -> None:
    assert {"ok", "kink", "wrong", "stopped", "surrogate", "unreached", "unsure", "non-finite", "skipped"} == set(
        MEANING
    )
    assert reading(1e-9) != reading(1e-5) != reading(1e-3) != reading(0.1)
    assert reading(float("nan")) == "not a number"
