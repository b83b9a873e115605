"""A finding of a rule of this package."""

from __future__ import annotations

from typing import Any

from nnwidgets.records import Finding, Severity


def told(
    rule: object,
    explanation: str,
    remedy: str,
    *,
    severity: Severity = "problem",
    where: str = "",
    line: str | None = None,
    change: tuple[str, Any] | None = None,
    confirm: str = "",
    confirmed: str = "",
    **evidence: Any,
) -> Finding:
    """What a rule found before the first step; names in `evidence` have spaces for underscores."""
    return Finding(
        rule=type(rule).__name__,
        severity=severity,
        where=where,
        step=0,
        explanation=explanation,
        remedy=remedy,
        line=line,
        evidence={name.replace("_", " "): value for name, value in evidence.items()},
        change=change,
        confirm=confirm,
        confirmed=confirmed,
    )
