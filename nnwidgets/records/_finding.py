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

    def __post_init__(self) -> None:
        """Refuse a severity that nothing draws."""
        if self.severity not in get_args(Severity):
            raise ValueError(f"severity must be one of {', '.join(get_args(Severity))}; got {self.severity!r}.")

    def to_dict(self) -> dict[str, Any]:
        """The finding as JSON-ready values; non-finite numbers are the strings "nan", "inf", "-inf"."""
        return {key: _plain(value) for key, value in asdict(self).items()}

    def to_json(self) -> str:
        """One JSON object."""
        return json.dumps(self.to_dict(), allow_nan=False)


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


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in cast("dict[Any, Any]", value).items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in cast("list[Any]", value)]
    if hasattr(value, "tolist"):
        return _plain(value.tolist())
    if isinstance(value, float) and not math.isfinite(value):
        return "nan" if math.isnan(value) else ("inf" if value > 0 else "-inf")
    return value
