"""Where the run stands, as plain data for what surrounds the dashboard: the status bar and the commands of JupyterLab."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from nnwidgets.records import Finding, Status

from ._status_line import news
from ._theme import rule_words


def standing(status: Status, findings: Sequence[Finding], can: Sequence[str]) -> dict[str, Any]:
    """Numbers and words for the status bar.

    Args:
        status: where the run stands.
        findings: what the rules found.
        can: the names of the commands that make sense now.

    Returns:
        a dictionary of JSON values: state, step, target, message, problems and warnings (numbers of causes), finding (the
        first of them in words, "" if there is none) and can.

    Example:
        >>> standing(Status("paused", 10, message="paused: step 10"), [], ["step"])["message"]
        'step 10'
    """
    rules = {each.rule for each in findings}
    causes = [each for each in findings if not each.follows or each.follows not in rules]
    problems = [each for each in causes if each.severity == "problem"]
    warnings = [each for each in causes if each.severity == "warning"]
    first = next(iter([*problems, *warnings]), None)
    return {
        "state": status.state,
        "step": status.step,
        "target": status.target or 0,
        "message": news(status),
        "problems": len(problems),
        "warnings": len(warnings),
        "finding": f"{rule_words(first.rule)} {first.where}".strip() if first else "",
        "can": sorted(can),
    }
