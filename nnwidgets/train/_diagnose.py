"""From suspicions to a verdict: lint, a run, the rules, an experiment for each suspicion that names one, the remedies."""

from __future__ import annotations

import time
import traceback
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from nnwidgets.records import Check, Facts, Finding, Notice

from ._compiles import compiles
from ._experiments import Bench, Outcome, try_out
from ._trial import try_remedy

# Experiments, and remedies, that are tried; each costs a few hundred steps.
MOST_EXPERIMENTS, MOST_TRIALS = 4, 2


def confirm(findings: Sequence[Finding], bench: Bench, notices: list[Notice]) -> list[Finding]:
    """The findings, with a warning raised to a problem where its experiment bears it out, and made a note where it does not."""
    wanted = sorted({each.confirm for each in findings if each.severity == "warning" and each.confirm})
    outcomes: dict[str, Outcome] = {}
    for name in wanted[:MOST_EXPERIMENTS]:
        try:
            outcomes[name] = try_out(name, bench)
        except Exception as error:
            notices.append(Notice(name, f"the experiment failed: {error}", traceback.format_exc()))
    return [_settled(each, outcomes.get(each.confirm)) for each in findings]


def _settled(finding: Finding, outcome: Outcome | None) -> Finding:
    if outcome is None or outcome.supports is None or finding.severity != "warning":
        return finding
    if outcome.supports:
        return replace(finding, severity="problem", confirmed=outcome.words)
    return replace(finding, severity="note", confirmed=f"not borne out: {outcome.words}")


def verify(findings: Sequence[Finding], bench: Bench, notices: list[Notice]) -> list[Finding]:
    """The findings, with the remedies of the first red ones tried."""
    left, told = MOST_TRIALS, []
    for each in findings:
        if left and each.change is not None and each.severity == "problem":
            left -= 1
            try:
                told.append(try_remedy(each, bench))
                continue
            except Exception as error:
                notices.append(Notice(each.rule, f"its remedy could not be tried: {error}", traceback.format_exc()))
        told.append(each)
    return told


def checks_of(facts: Facts, losses: Sequence[float]) -> tuple[Check, ...]:
    """What was measured against an expectation: the first loss against what chance gives."""
    if not facts.levels or not len(losses):
        return ()
    name, expected = facts.levels[0]
    first = float(losses[0])
    near = bool(np.isfinite(first) and 0.5 * expected <= first <= 2 * expected)
    return (Check("first loss", f"{expected:.4g} ({name})", f"{first:.4g}", "ok" if near else "unknown"),)


class Stopwatch:
    """Seconds of the debugger's own work, in parts that are added up; what XLA compiles meanwhile is counted apart."""

    def __init__(self) -> None:
        self.seconds = self.compiling = 0.0

    def __enter__(self) -> Stopwatch:
        self._started, self._compiled = time.perf_counter(), compiles().seconds
        return self

    def __exit__(self, *_: object) -> None:
        compiled = compiles().seconds - self._compiled
        self.compiling += compiled
        self.seconds += time.perf_counter() - self._started - compiled
