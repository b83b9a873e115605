"""What was done to two runs while they went on, and how they ended."""

from __future__ import annotations

from typing import Any

import numpy as np

from ._change import NEVER, Change, text_of

_INTERVENTION = 35
_LOSSES = ("train/loss", "validation/loss")


def changed_interventions(left: Any, right: Any) -> list[Change]:
    """The learning-rate slider, rewinds and branches, step by step."""
    found = [_interventions(run) for run in (left, right)]
    changes = []
    for step in sorted({*found[0], *found[1]}):
        one, other = (each.get(step, "") for each in found)
        if one != other:
            words = f"at step {step} of one run only: {one or other}" if not (one and other) else ""
            changes.append(Change("interventions", f"at step {step}", one, other, _INTERVENTION, step + 1, words))
    branches = [_branch(run) for run in (left, right)]
    if branches[0] != branches[1]:
        # where nothing else was changed, a branch goes the same way
        words = f"branch: {branches[0] or 'none'} against {branches[1] or 'none'}"
        changes.append(Change("interventions", "branch", branches[0], branches[1], _INTERVENTION, NEVER, words))
    return changes


def changed_outcome(left: Any, right: Any) -> list[Change]:
    """State, steps and last losses; they are effects, and no cause of anything."""
    outcomes = [_outcome(run) for run in (left, right)]
    return [
        Change("outcome", what, outcomes[0][what], outcomes[1][what], 100, NEVER)
        for what in outcomes[0]
        if outcomes[0][what] != outcomes[1][what]
    ]


def _interventions(run: Any) -> dict[int, str]:
    found: dict[int, str] = {}
    steps, values = run.rows("run/multiplier")
    before = 1.0
    for step, value in zip(steps.tolist(), np.ravel(values).tolist(), strict=True):
        if value != before:
            found[int(step)] = f"learning rate \u00d7 {value:.6g}"
        before = value
    for each in run.facts("code").get("interventions", ()):
        step, words = int(each.get("step", 0)), str(each.get("what", ""))
        # the slider is on record twice
        if "learning rate" not in found.get(step, "") or "learning rate" not in words:
            found[step] = "; ".join(filter(None, (found.get(step, ""), words)))
    return found


def _branch(run: Any) -> str:
    return "" if run.parent is None else f"of run {run.parent[:8]} from step {run.branched_at} on"


def _outcome(run: Any) -> dict[str, str]:
    found = {"state": run.state, "steps": text_of(run.step)}
    for name in _LOSSES:
        values = np.ravel(run.rows(name)[1])
        found[f"last {name}"] = f"{float(values[-1]):.9g}" if len(values) else ""
    return found
