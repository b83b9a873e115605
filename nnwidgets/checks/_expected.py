"""What the first value of a loss should be, by its kind."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import isclose, log

import numpy as np

from nnwidgets.lint import Setup, facts_of
from nnwidgets.lint._facts import _real_targets


@dataclass(frozen=True)
class Expected:
    """A value with its formula.

    Attributes:
        value: of a network that says nothing (logits at zero).
        formula: how it comes about, with numbers.
        least: of a network that has learned the shares or the mean of the targets alone: less than that before any training
            needs an explanation; None where that is not known.
        noisy: whether outputs of ordinary size add to it: for real targets they do, and a ratio of 2 is nothing.
    """

    value: float
    formula: str
    least: float | None = None
    noisy: bool = False


def expected_first(setup: Setup, zeros: float | None) -> Expected | None:
    """What is expected, by the kind of the loss, else by the loss with its logits at zero; None where neither is known."""
    kind, facts = setup.train.head.loss, facts_of(setup)
    least = min((level for name, level in facts.levels if "ln(e + C" not in name), default=None)
    if kind == "softmax cross-entropy" and facts.classes is not None:
        value, entropy = log(facts.classes), least if least is not None else log(facts.classes)
        more = f", entropy of the labels {entropy:.4g}" if entropy < 0.98 * value else ""
        return Expected(value, f"ln {facts.classes} = {value:.4g}{more}", entropy)
    if kind == "sigmoid cross-entropy":
        return Expected(log(2), _of_halves(setup, least), least)
    targets = _real_targets(setup)
    if kind == "squared error" and targets is not None:
        return _scaled(float((targets**2).mean()), "mean(y²) = var(y) + mean(y)²", targets.var(0).mean(), zeros)
    if kind == "absolute error" and targets is not None:
        middle = np.abs(targets - np.median(targets, 0)).mean()
        return _scaled(float(np.abs(targets).mean()), "mean |y|", middle, zeros)
    return None if zeros is None else _by_its_parts(setup, zeros)


def _of_halves(setup: Setup, least: float | None) -> str:
    found = f"ln 2 = {log(2):.4g} at p = 0.5, whatever the share of ones"
    return found if least is None or least > 0.98 * log(2) else f"{found}; at that share {least:.4g}"


def _scaled(value: float, formula: str, least: float, zeros: float | None) -> Expected | None:
    """With the factor that some write before it: half of the square."""
    if zeros is not None and isclose(zeros, value / 2, rel_tol=0.05):
        value, least, formula = value / 2, least / 2, f"half of {formula}"
    return Expected(value, f"{formula} = {value:.4g}", float(least), noisy=True) if value > 0 else None


def _by_its_parts(setup: Setup, zeros: float) -> Expected:
    """Losses that are no `head.loss`: by the functions that the loss is made of, and by its value at zero."""
    head = setup.train.head
    classes = head.logits.aval.shape[-1] if head.logits is not None and head.logits.aval.shape else 0
    if candidates := contrast(setup):
        least = None
        return Expected(
            zeros, f"ln of the number of candidates, {candidates}: {log(candidates):.4g}", least, noisy=True
        )
    if head.kinds("relu") and head.targets:
        for value, words in ((1.0, "hinge: 1"), (classes - 1.0, f"multi-class hinge: {classes} classes - 1")):
            if value > 0 and isclose(zeros, value, rel_tol=0.01):
                return Expected(value, f"{words} = {value:.4g}", noisy=True)
    powers: Sequence[object] = [each for each in head.kinds("exp") if head.is_logits(each.input)]
    if powers and isclose(zeros, 1.0, rel_tol=0.01):
        return Expected(1.0, "Poisson: exp(0) - 0 y = 1", noisy=True)
    return Expected(zeros, f"{zeros:.4g}, the loss with all logits at zero", noisy=True)


def contrast(setup: Setup) -> int:
    """How many candidates each example chooses among, where these are the examples of the batch; 0 where it is none."""
    rows = setup.rows or 0
    for each in setup.train.head.kinds("log_softmax", "logsumexp", "softmax"):
        shape = each.input.aval.shape
        if rows > 1 and len(shape) == 2 and shape[0] == shape[1] == each.size and each.size % rows == 0:
            return each.size
    return 0
