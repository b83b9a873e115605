"""Which findings are causes, and what follows from each."""

from __future__ import annotations

from collections.abc import Sequence

from nnwidgets.records import Finding

_RANK = {"problem": 0, "warning": 1, "note": 2}


def causes_first(findings: Sequence[Finding]) -> list[tuple[Finding, list[Finding]]]:
    """Each cause with what follows from it, the gravest first."""
    rules = {each.rule for each in findings}
    causes = [each for each in findings if not each.follows or each.follows not in rules]
    return [
        (cause, [each for each in findings if each.follows == cause.rule and each not in causes])
        for cause in sorted(causes, key=lambda finding: _RANK[finding.severity])
    ]
