"""A gradient that is not the slope of the loss."""

from __future__ import annotations

from dataclasses import dataclass

from nnwidgets.records import Finding, GradientReport, History, TensorCheck, UnknownReading

_SEVERITY = {"wrong": "problem", "non-finite": "problem", "stopped": "note", "surrogate": "note"}


@dataclass(frozen=True)
class WrongGradient:
    """The newest gradient check found a gradient that is not the slope of the loss, so that training follows another one.

    Usual causes: a custom_vjp or custom_jvp whose rule does not belong to its function, a stop_gradient in the wrong
    place. It speaks only after a gradient check (`session.gradcheck()`).
    """

    def check(self, history: History) -> Finding | None:
        """The gravest tensor of the newest check, with the others as evidence; None if all are right.

        Raises:
            UnknownReading: no gradient check was made yet.
        """
        if not history.gradient_reports:
            raise UnknownReading("no gradient check was made yet: type session.gradcheck().")
        report = history.gradient_reports[-1]
        told = [each for each in report.tensors if each.verdict in _SEVERITY]
        if not told:
            return None
        first = min(told, key=lambda each: list(_SEVERITY).index(each.verdict))
        same = [each for each in told if each.verdict == first.verdict]
        return _finding(report, first, same)


def _finding(report: GradientReport, first: TensorCheck, same: list[TensorCheck]) -> Finding:
    more = f" and of {len(same) - 1} more" if len(same) > 1 else ""
    kind = "stop_gradient" if first.verdict == "stopped" else "custom"
    causes = [rule for rule in report.rules if rule.wrong and rule.kind.startswith(kind)]
    causes = [rule for rule in causes if rule.surrogate == (first.verdict == "surrogate")] or causes
    words = {
        "wrong": f"The gradient of {first.path}{more} is not the slope of the loss.",
        "non-finite": f"The loss or the gradient of {first.path}{more} is NaN or infinite.",
        "stopped": f"A stop_gradient takes out part of the slope of {first.path}{more}; right if that is meant.",
        "surrogate": f"A surrogate stands in for the slope of {first.path}{more}; right if that is meant.",
    }
    remedies = {
        "wrong": "Compare the rule with its function: nnw.gradcheck(function, *arguments) checks it alone.",
        "non-finite": "Ask session.nan_origin() for the operation: often a logarithm, division or square root of zero.",
        "stopped": "If it is not meant, take the stop_gradient out.",
        "surrogate": "If it is not meant, compare the rule with its function: nnw.gradcheck(function, *arguments).",
    }
    return Finding(
        rule="WrongGradient",
        severity=_SEVERITY[first.verdict],  # pyright: ignore[reportArgumentType]
        where=first.path,
        step=report.step,
        line=next((rule.line or rule.defined for rule in causes), None),
        evidence={f"relative error {each.path}": each.error for each in same[:5] if each.error is not None},
        explanation=words[first.verdict] + (f" Cause: {first.words}." if first.words else ""),
        remedy=remedies[first.verdict],
    )
