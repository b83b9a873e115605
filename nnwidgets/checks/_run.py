"""Running checks one after another, whatever becomes of each."""

from __future__ import annotations

import time
import traceback
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from typing import Any

from nnwidgets.records import Check, CheckInfo, Notice

from ._subject import Subject


def infos(checks: Sequence[Any], subject: Subject | None = None) -> tuple[CheckInfo, ...]:
    """What there is to run; without a subject the times are left at 0."""
    return tuple(
        CheckInfo(check.name, check.heading, _about(check), check.seconds(subject) if subject is not None else 0.0)
        for check in checks
    )


def run_checks(checks: Iterable[Any], subject: Callable[[], Subject], notices: list[Notice]) -> Iterable[Check]:
    """Each check's result as it comes; one that fails is "unknown" and a notice, and the others go on.

    Args:
        checks: to run.
        subject: what they look at, made anew for each, so that its clock begins.
        notices: takes the failures.
    """
    for check in checks:
        started = time.perf_counter()
        look = subject()
        look.tell(f"checking: {check.name}")
        try:
            found = check.run(look)
            if not isinstance(found, Check):
                raise TypeError(f"run(subject) must return a Check, got {found!r}: use nnwidgets.checks.told.")
        except Exception as error:
            notices.append(Notice(check.name, f"this check failed: {error}", traceback.format_exc()))
            found = Check(
                check.name, "", f"failed: {error}", "unknown", check.heading, "See the notices below Findings."
            )
        yield replace(found, step=look.step, seconds=time.perf_counter() - started, at=time.time())


def _about(check: Any) -> str:
    """The first paragraph of its docstring, in one line."""
    return " ".join((type(check).__doc__ or "").strip().split("\n\n")[0].split())
