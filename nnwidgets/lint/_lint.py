"""All rules of this package on one set-up."""

from __future__ import annotations

import traceback
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from nnwidgets.records import Finding, Notice

from ._setup import Setup

_ABOUT_THE_LOSS = (
    "OneUnitSoftmax", "SoftmaxTwice", "SigmoidTwice", "SilentBroadcast", "LabelWidth", "LossForTargets",
    "LogitsAsProbabilities", "SigmoidForExclusiveClasses", "SoftmaxForMultiLabel", "OutputRange", "ReluOnLogits",
    "SoftmaxAxis", "UnguardedLog", "ClippedLoss", "ConstantLoss", "SumOverBatch",
)  # fmt: skip


def lint(setup: Setup, rules: Sequence[Any]) -> tuple[list[Finding], list[str], list[Notice]]:
    """What these rules find before the first step, the names of those that found nothing, and those that failed as notices."""
    findings: list[Finding] = []
    passed: list[str] = []
    notices: list[Notice] = []
    for rule in rules:
        name = type(rule).__name__
        try:
            found = rule.check(setup)
        except Exception as error:
            notices.append(Notice(name, f"the rule was left out: {error}", traceback.format_exc()))
            continue
        found = [_completed(each, setup) for each in ([found] if isinstance(found, Finding) else found or ())]
        findings += found
        passed += [] if found else [name]
    return findings, passed, notices


def _completed(finding: Finding, setup: Setup) -> Finding:
    """With the text of its line; and with another loss to try, where the user's objective offers one."""
    names = list(setup.objective.alternatives)
    about_loss = finding.rule in _ABOUT_THE_LOSS and finding.change is None
    finding = replace(finding, change=("objective", names[0])) if names and about_loss else finding
    code = setup.code.get(finding.line or "")
    return replace(finding, evidence={"code": code, **finding.evidence}) if code else finding
