"""Things that were looked at with an expectation, and the checklist that they make."""

from __future__ import annotations

import html
import json
import os
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from ._finding import plain
from ._headings import HEADINGS
from ._html_file import plain_page, write_html

VERDICTS = ("wrong", "suspicious", "ok", "unknown")
_SIGNS = {"ok": "✓", "wrong": "✗", "suspicious": "!", "unknown": "\u2013", "": "○"}


@dataclass(frozen=True)
class Check:
    """One thing that was looked at, with what was expected.

    Attributes:
        name: what it is.
        expected: in words or numbers.
        measured: in words or numbers.
        verdict: "ok"; "suspicious", where the evidence is no proof; "wrong"; "unknown", where it can't be measured or does
            not apply to this model.
        heading: which of the five `HEADINGS` it belongs to, from 1.
        words: what the verdict means, and what to do.
        numbers: what was measured, by name: numbers and lists of numbers.
        step: updates that the run had made.
        seconds: that it took.
        at: when it ended, in seconds since 1970; 0.0 where that was not noted.
    """

    name: str
    expected: str
    measured: str
    verdict: str
    heading: int = 2
    words: str = ""
    numbers: dict[str, Any] = field(default_factory=dict[str, Any])
    step: int = 0
    seconds: float = 0.0
    at: float = 0.0


@dataclass(frozen=True)
class CheckInfo:
    """A check that can be run.

    Attributes:
        name: as in `Check.name`.
        heading: as in `Check.heading`.
        about: what it does, in one or two sentences.
        seconds: about how long it takes.
    """

    name: str
    heading: int
    about: str
    seconds: float


@dataclass(frozen=True)
class Checklist:
    """The five steps of the checklist with what was found at each.

    Attributes:
        infos: the checks that there are, in order.
        checks: the newest result of each that was run.
    """

    infos: tuple[CheckInfo, ...]
    checks: tuple[Check, ...]

    @property
    def ok(self) -> bool:
        """Whether nothing is wrong; True also while nothing was checked."""
        return not any(check.verdict == "wrong" for check in self.checks)

    def __getitem__(self, name: str) -> Check:
        for check in self.checks:
            if check.name == name:
                return check
        known = ", ".join(check.name for check in self.checks) or "none"
        raise KeyError(f"{name!r} was not checked; checked were: {known}")

    def to_dict(self) -> dict[str, Any]:
        """As JSON-ready values; non-finite numbers are the strings "nan", "inf", "-inf"."""
        return {"ok": self.ok, "checks": [plain(asdict(check)) for check in self.checks]}

    def to_json(self) -> str:
        """One JSON object."""
        return json.dumps(self.to_dict(), allow_nan=False)

    def to_html(self) -> str:
        """One page that needs nothing else."""
        parts: list[str] = []
        for number, heading in enumerate(HEADINGS, 1):
            parts.append(f"<h2>{number}. {html.escape(heading)}</h2><table>")
            for info, check in self._under(number):
                cells = (check.measured, check.expected, check.words) if check else ("not run", "", info.about)
                verdict = check.verdict if check else ""
                columns = "".join(f"<td>{html.escape(cell)}</td>" for cell in cells)
                parts.append(
                    f"<tr class='{verdict}'><td>{_SIGNS[verdict]}</td><td>{html.escape(info.name)}</td>{columns}</tr>"
                )
            parts.append("</table>")
        return plain_page("Checklist", "".join(parts))

    def save_html(self, file: str | os.PathLike[str] = "checklist.html") -> Path:
        """Write `to_html` to a file; returns its path.

        Raises:
            OSError: it cannot be written; nothing is changed then.
        """
        return write_html(file, self.to_html())

    def _under(self, heading: int) -> list[tuple[CheckInfo, Check | None]]:
        found = {check.name: check for check in self.checks}
        return [(info, found.get(info.name)) for info in self.infos if info.heading == heading]

    def __repr__(self) -> str:
        lines: list[str] = []
        for number, heading in enumerate(HEADINGS, 1):
            lines.append(f"{number}. {heading}")
            for info, check in self._under(number):
                if check is None:
                    lines.append(f"   {_SIGNS['']} {info.name}: not run")
                    continue
                told = f"{check.measured}; expected {check.expected}" if check.expected else check.measured
                lines.append(f"   {_SIGNS[check.verdict]} {check.name}: {told}")
                if check.verdict != "ok" and check.words:
                    lines.append(f"       {check.words}")
        return "\n".join(lines)
