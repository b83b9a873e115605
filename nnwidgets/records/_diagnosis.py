"""The verdict on a training program: what was found, what was looked at, how long it took."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from typing import Any

from ._checks import Check
from ._finding import Finding, plain


@dataclass(frozen=True)
class Diagnosis:
    """What `Session.diagnose` found.

    Attributes:
        findings: the root cause first; what follows from it says so in `Finding.follows`.
        checks: what was measured against an expectation.
        passed: names of the rules that looked and found nothing.
        steps: made by the run.
        seconds: of the debugger's own time: judging, experiments and trials, without the run's steps and without compiling.
        static_seconds: the part of them that was spent before the first step.
        compile_seconds: that XLA compiled programs for the debugger.
    """

    findings: tuple[Finding, ...]
    checks: tuple[Check, ...] = ()
    passed: tuple[str, ...] = ()
    steps: int = 0
    seconds: float = 0.0
    static_seconds: float = 0.0
    compile_seconds: float = 0.0
    notices: tuple[str, ...] = field(default=(), repr=False)

    @property
    def healthy(self) -> bool:
        """Whether nothing red was found."""
        return not any(finding.severity == "problem" for finding in self.findings)

    def to_dict(self) -> dict[str, Any]:
        """As JSON-ready values; non-finite numbers are the strings "nan", "inf", "-inf"."""
        return {key: plain(value) for key, value in asdict(self).items()}

    def to_json(self) -> str:
        """One JSON object."""
        return json.dumps(self.to_dict(), allow_nan=False)

    def __repr__(self) -> str:
        if not self.findings:
            return f"nothing looks wrong after {self.steps} steps: {len(self.passed)} rules looked"
        return "\n".join(finding.told() for finding in self.findings)
