"""The verdict on a training program: what was found, what was looked at, how long it took."""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass, field
from html import escape
from pathlib import Path
from typing import Any

from ._checks import Check
from ._finding import Finding, plain
from ._html_file import plain_page, write_html


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

    def to_html(self) -> str:
        """One page of text that needs nothing else; `Session.save_html` also draws the run."""
        parts = [f"<h1>Diagnosis after {self.steps:,} steps</h1>", *map(_finding, self.findings)]
        parts += [] if self.findings else ["<p>Nothing looks wrong.</p>"]
        rows = "".join(
            f"<tr class='{escape(each.verdict)}'><td>{escape(each.name)}</td><td>{escape(each.measured)}</td>"
            f"<td>{escape(each.expected)}</td></tr>"
            for each in self.checks
        )
        parts += [f"<h2>Checks</h2><table>{rows}</table>"] if rows else []
        parts += [f"<p>Looked and found nothing: {escape(', '.join(self.passed))}.</p>"] if self.passed else []
        parts += [f"<p class='place'>{escape(notice)}</p>" for notice in self.notices]
        return plain_page("Diagnosis", "".join(parts))

    def save_html(self, file: str | os.PathLike[str] = "report.html") -> Path:
        """Write `to_html` to a file; returns its path.

        Raises:
            OSError: it cannot be written; nothing is changed then.
        """
        return write_html(file, self.to_html())

    def __repr__(self) -> str:
        if not self.findings:
            return f"nothing looks wrong after {self.steps} steps: {len(self.passed)} rules looked"
        return "\n".join(finding.told() for finding in self.findings)


def _finding(finding: Finding) -> str:
    told = finding.told().splitlines()
    rest = "".join(f"<p>{escape(line.strip())}</p>" for line in told[1:])
    return f"<div class='{finding.severity}'><h2>{escape(told[0])}</h2>{rest}</div>"
