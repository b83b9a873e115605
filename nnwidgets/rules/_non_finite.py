"""A loss or a gradient that is no longer a number."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from nnwidgets.records import Finding, History, NanReport


@dataclass(frozen=True)
class NonFinite:
    """The loss or a gradient became NaN or infinite; the parameters that it updates follow, and then everything.

    Usual causes: a learning rate that is too high, a logarithm or division at zero, a square root's gradient at zero.
    """

    def check(self, history: History) -> Finding | None:
        """The first step at which the loss or a gradient was not finite, with the operation that did it if it is known."""
        if history.nan_reports and not history.nan_reports[-1].finite:
            return _located(history.nan_reports[-1])
        gradient, loss = _gradient(history), _loss(history)
        if gradient is None and loss is None:
            return None
        if gradient is not None and (loss is None or gradient[0] <= loss[0]):
            step, where, evidence, what = *gradient, "gradient"
        else:
            assert loss is not None
            step, where, evidence, what = loss[0], "", {"train/loss": loss[1]}, "loss"
        return Finding(
            rule="NonFinite",
            severity="problem",
            where=where,
            step=step,
            evidence=evidence,
            explanation=f"The {what} is not finite at step {step}: NaN or infinite.",
            remedy="Lower the learning rate, and look for a logarithm, division or square root of zero in the loss.",
        )


def _located(report: NanReport) -> Finding:
    origin = report.origin
    evidence = {"loss": report.loss, "not finite": ", ".join(report.results[:5])}
    if origin is not None:
        evidence |= {"line": origin.code} | {f"operand {k}": str(each) for k, each in enumerate(origin.operands)}
        evidence |= {} if origin.rows is None else {"rows": list(origin.rows[:8])}
    return Finding(
        rule="NonFinite",
        severity="problem",
        where=origin.layer if origin else "",
        line=origin.line if origin else None,
        step=report.step or 0,
        evidence={name: value for name, value in evidence.items() if value not in ("", None)},
        explanation=f"{report.headline[0].upper()}{report.headline[1:]}.",
        remedy=origin.remedy if origin else "",
    )


def _loss(history: History) -> tuple[int, float] | None:
    if "train/loss" not in history:
        return None
    loss = history["train/loss"]
    bad = ~(np.isfinite(loss.low[:, 0]) & np.isfinite(loss.high[:, 0]) & np.isfinite(loss.values[:, 0]))
    return (int(loss.steps[bad][0]), float(loss.values[bad][0, 0])) if bad.any() else None


def _gradient(history: History) -> tuple[int, str, dict[str, float]] | None:
    """Step, first tensor and the counts of all tensors of the first gradient that was not finite."""
    if "gradient/nonfinite" not in history:
        return None
    counts = history["gradient/nonfinite"]
    bad = counts.high > 0
    if not bad.any():
        return None
    row = int(np.argmax(bad.any(axis=1)))
    found = {layer: float(counts.high[row, i]) for i, layer in enumerate(counts.layers) if bad[row, i]}
    evidence = {f"gradient/nonfinite {layer}": count for layer, count in list(found.items())[:5]}
    return int(counts.steps[row]), next(iter(found)), evidence
