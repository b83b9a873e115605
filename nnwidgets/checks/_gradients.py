"""Whether every gradient is the slope of the loss."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from nnwidgets.records import Check

from ._subject import Subject
from ._told import told

_BAD = ("wrong", "non-finite")


@dataclass(frozen=True)
class Gradients:
    """Every gradient is compared with central differences of the loss in float64, tensor by tensor.

    A corner of the loss (ReLU at 0) is no fault; a custom rule or a stop_gradient that causes a difference is named. The
    panel "Gradient check" shows each tensor. Source: Stanford CS231n, notes on gradient checks.
    """

    name: ClassVar[str] = "gradients"
    heading: ClassVar[int] = 3

    def seconds(self, subject: Subject) -> float:
        """About how long it takes."""
        # the first call compiles a program of about this many parts
        return 4.0 + 0.3 * len(subject.paths)

    def run(self, subject: Subject) -> Check:
        """The quick check of all tensors."""
        report = subject.gradcheck()
        by_verdict = {verdict: [each.path for each in report.tensors if each.verdict == verdict] for verdict in _ORDER}
        bad = [path for verdict in _BAD for path in by_verdict[verdict]]
        errors = [each.error for each in report.tensors if each.error is not None]
        numbers = {"tensors": len(report.tensors), "worst error": max(errors, default=0.0), "wrong": bad}
        counts = ", ".join(f"{len(paths)} {verdict}" for verdict, paths in by_verdict.items() if paths)
        expected = "every tensor ok, or at a kink"
        if bad:
            return told(self, counts, expected, "wrong", f"{report.headline}; first: {bad[0]}.", **numbers)
        if any(by_verdict[verdict] for verdict in ("stopped", "surrogate", "unsure")):
            return told(self, counts, expected, "suspicious", f"{report.headline}.", **numbers)
        if by_verdict["unreached"]:
            words = f"the loss does not depend on {', '.join(by_verdict['unreached'][:3])}: see connections."
            return told(self, counts, expected, "suspicious", words, **numbers)
        return told(self, counts, expected, "ok", "analytic and numeric gradients agree.", **numbers)


_ORDER = ("wrong", "non-finite", "stopped", "surrogate", "unsure", "unreached", "kink", "ok", "skipped")
