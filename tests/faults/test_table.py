"""The judging of the fault table, and that every case and healthy run was tried."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest

from tests.faults import _cases, _judge, prove, table
from tests.faults.healthy import HEALTHY, RECORD, learned

CASE = '''"""A fault."""

GROUP = "head"
ACCEPT = {"OneUnitSoftmax"}
WHERE = "head"
STEPS = 200


def build(seed=0, fault=True):
    return 1 if fault else 2  # the fault
'''


def _finding(rule: str, severity: str = "problem", where: str = "", line: str | None = None) -> dict[str, Any]:
    return {"rule": rule, "severity": severity, "where": where, "line": line, "verified": False}


@pytest.fixture
def about(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> _judge.About:
    (tmp_path / "x01_made_up.py").write_text(CASE, encoding="utf-8")
    monkeypatch.setattr(_cases, "FOLDER", tmp_path)
    return _judge.About(_cases.Case("x01_made_up"))


def test_a_case_is_read_without_being_run(about: _judge.About) -> None:
    assert (about.group, about.accept, about.where, about.lines) == ("head", {"OneUnitSoftmax"}, "head", (10,))
    assert about.has_place
    assert not about.harmless
    assert not about.loud


@pytest.mark.parametrize(
    ("findings", "judged"),
    [
        # detected, right first, right in the first three, in the right place
        ([], (False, False, False, False)),
        ([_finding("OneUnitSoftmax", "warning", "head")], (False, False, False, False)),
        ([_finding("InputScale")], (True, False, False, False)),
        ([_finding("OneUnitSoftmax")], (True, True, True, False)),
        ([_finding("OneUnitSoftmax", where="head/out")], (True, True, True, True)),
        ([_finding("OneUnitSoftmax", line="/a/x01_made_up.py:12")], (True, True, True, True)),
        ([_finding("OneUnitSoftmax", line="/a/x01_made_up.py:13")], (True, True, True, False)),
        ([_finding("OneUnitSoftmax", line="/a/other.py:10")], (True, True, True, False)),
        ([_finding("InputScale", where="head"), _finding("OneUnitSoftmax")], (True, False, True, False)),
        ([*[_finding("InputScale")] * 3, _finding("OneUnitSoftmax", where="head")], (True, False, False, True)),
    ],
)
def test_a_verdict(about: _judge.About, findings: list[Any], judged: tuple[bool, ...]) -> None:
    verdict = _judge.Verdict(about, {"findings": findings})
    assert (verdict.detected, verdict.first, verdict.among_three, verdict.placed) == judged


def test_the_shares_and_their_goals(about: _judge.About) -> None:
    found = [_judge.Verdict(about, {"findings": [_finding("OneUnitSoftmax")]})] * 19
    missed = _judge.Verdict(about, {"findings": []})
    healthy = [{"kind": "suite", "name": str(i), "findings": []} for i in range(49)]
    alarm = {"kind": "suite", "name": "red", "findings": [_finding("Plateau")]}
    rows = {
        row.name: row for row in _judge.rows([*found, missed], [*healthy, alarm], [{"static": 3.0, "dynamic": 4.0}])
    }
    assert (rows["faults detected"].value, rows["faults detected"].met) == (0.95, True)
    assert (rows["right layer or line"].value, rows["right layer or line"].met) == (0.0, False)
    assert (rows["healthy runs with a red alarm"].value, rows["healthy runs with a red alarm"].met) == (0.02, True)
    assert (rows["static verdict"].met, rows["dynamic verdict"].met) == (False, True)
    assert _judge.false_alarms([*healthy, alarm]) == {"suite red": ["Plateau"]}
    assert _judge.misses([missed])["not detected"] == ["x01_made_up"]


@pytest.mark.parametrize(
    ("faulty", "fixed", "expected"),
    [
        ([0.5, 0.6], [0.1, 0.2], True),
        ([0.5, 0.15], [0.1, 0.2], False),
        ([0.21, 0.6], [0.1, 0.2], False),
        ([math.nan, 0.5], [0.1, 0.2], True),
        ([math.nan, math.inf], [0.1, math.nan], False),
    ],
)
def test_what_hurts(faulty: list[float], fixed: list[float], expected: bool) -> None:
    assert prove.hurts(faulty, fixed) is expected


def test_what_has_learned() -> None:
    wobble = [0.01 * (-1) ** i for i in range(200)]
    assert learned([1 - i / 250 + each for i, each in enumerate(wobble)])
    assert not learned([1 - i / 2500 + each for i, each in enumerate(wobble)])
    assert not learned([1 - i / 250 + 60 * each for i, each in enumerate(wobble)])
    assert not learned([*[1 - i / 250 for i in range(199)], math.nan])


def test_a_program_that_takes_too_long_or_dies_leaves_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(table, "RESULTS", tmp_path)
    worker = table.Worker(cold=False)
    job = {"kind": "fault", "name": "no_such_case", "verify": False, "result": str(tmp_path / "it.json")}
    try:
        assert worker.do(job, 0.001)["error"] == "took longer than 0.001 s"
        assert "No module named 'tests.faults.cases.no_such_case'" in worker.do(job, 60)["error"]
        worker._process.kill()
        assert "its process ended with code -9" in worker.do(job, 60)["error"]
    finally:
        worker.end(kill=True)


def test_every_case_was_proved_to_hurt_as_it_stands() -> None:
    proofs = prove.read()
    missing = [case.name for case in _cases.find([]) if proofs.get(case.name, {}).get("hash") != case.hash]
    assert not missing, "type: python -m tests.faults.prove"
    wrong = [name for name, proof in proofs.items() if proof["hurts"] == proof.get("harmless", False)]
    assert not wrong


def test_every_healthy_run_was_seen_to_learn() -> None:
    record = json.loads(RECORD.read_text(encoding="utf-8"))
    assert len(HEALTHY) >= 130
    assert sorted(record) == sorted(HEALTHY), "type: python -m tests.faults.healthy"
    assert all(found["learned"] for found in record.values())
