"""Where the run stands, as plain data for what surrounds the dashboard: the status bar and the commands of JupyterLab."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from nnwidgets.records import Finding, Status

from ._causes import causes_first
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
    causes = [cause for cause, _ in causes_first(findings) if cause.severity != "note"]
    problems = sum(cause.severity == "problem" for cause in causes)
    return {
        "state": status.state,
        "step": status.step,
        "target": status.target or 0,
        "message": news(status),
        "problems": problems,
        "warnings": len(causes) - problems,
        "finding": f"{rule_words(causes[0].rule)} {causes[0].where}".strip() if causes else "",
        "can": sorted(can),
    }
