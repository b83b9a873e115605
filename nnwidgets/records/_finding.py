"""A verdict with its evidence, and a notice of something that failed inside the debugger."""

from __future__ import annotations

import json
import math
from dataclasses import asdict, dataclass, field
from typing import Any, Literal, cast, get_args

Severity = Literal["note", "warning", "problem"]


@dataclass(frozen=True)
class Finding:
    """What is wrong, where, how that was measured, and what to do.

    Attributes:
        rule: the name of the rule that speaks.
        severity: ``"note"``, ``"warning"`` or ``"problem"`` (red).
        where: the layer's path, ``""`` for the whole network.
        line: ``"file:line"``, ``"cell [n]:line"`` or None.
        step: the step at which it was seen.
        evidence: the numbers that prove it.
        explanation: what it means, in words.
        remedy: what to change.
        verified: whether the remedy was tried and seen to help.
        confirm: the experiment that would confirm it, as `nnwidgets.train` knows them; "" where none is needed.
        confirmed: how it was confirmed, in words.
        change: the remedy as something that can be tried, e.g. ``("multiplier", 0.1)``; None where it cannot.
        tried: what came of trying it, in words.
        follows: the rule of the finding that it is a consequence of.
    """

    rule: str
    severity: Severity
    where: str
    step: int
    explanation: str
    remedy: str
    line: str | None = None
    evidence: dict[str, Any] = field(default_factory=dict[str, Any])
    verified: bool = False
    confirm: str = ""
    confirmed: str = ""
    change: tuple[str, Any] | None = None
    tried: str = ""
    follows: str = ""

    def __post_init__(self) -> None:
        """Refuse a severity that nothing draws."""
        if self.severity not in get_args(Severity):
            raise ValueError(f"severity must be one of {', '.join(get_args(Severity))}; got {self.severity!r}.")

    def to_dict(self) -> dict[str, Any]:
        """The finding as JSON-ready values; non-finite numbers are the strings "nan", "inf", "-inf"."""
        return {key: plain(value) for key, value in asdict(self).items()}

    def to_json(self) -> str:
        """One JSON object."""
        return json.dumps(self.to_dict(), allow_nan=False)

    def told(self) -> str:
        """The finding in a few lines of text."""
        place = ", ".join(part for part in (self.where, self.line or "", f"step {self.step}") if part)
        evidence = ", ".join(f"{key} = {_short(value)}" for key, value in self.evidence.items())
        parts = [f"{self.severity}: {self.rule} ({place})", self.explanation]
        parts += [f"measured: {evidence}"] if evidence else []
        parts += [f"confirmed: {self.confirmed}"] if self.confirmed else []
        parts += [f"try: {self.remedy}"] if self.remedy else []
        parts += [f"tried: {self.tried}"] if self.tried else []
        parts += [f"follows from {self.follows}"] if self.follows else []
        return "\n  ".join(parts)


@dataclass(frozen=True)
class Notice:
    """Something failed or was refused inside the debugger; the run went on.

    Attributes:
        source: the probe, rule, panel or command that it concerns.
        message: one sentence for the user.
        details: the traceback, or "".
    """

    source: str
    message: str
    details: str = ""


def plain(value: Any) -> Any:
    """JSON-ready values: arrays as lists, non-finite numbers as strings."""
    if isinstance(value, dict):
        return {str(key): plain(item) for key, item in cast("dict[Any, Any]", value).items()}
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in cast("list[Any]", value)]
    if hasattr(value, "tolist"):
        return plain(value.tolist())
    if isinstance(value, float) and not math.isfinite(value):
        return "nan" if math.isnan(value) else ("inf" if value > 0 else "-inf")
    return value


def _short(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)
