"""What a gradient check found: a verdict for each tensor, with the numbers behind it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal, cast

Verdict = Literal["ok", "kink", "wrong", "stopped", "surrogate", "unreached", "unsure", "non-finite", "skipped"]

MEANING: dict[str, str] = {
    "ok": "analytic and numeric gradient agree",
    "kink": "the loss has a corner here; at a point close by they agree",
    "wrong": "the gradient is not the slope of the loss",
    "stopped": "a stop_gradient takes out part of the slope; right if that is meant",
    "surrogate": "the function rounds or is the identity, and a rule of its own stands in for its slope; right if meant",
    "unreached": "the loss does not depend on it: its gradient is always zero",
    "unsure": "differences cannot resolve it, and there is no third opinion",
    "non-finite": "the loss or its gradient is NaN or infinite here",
    "skipped": "nothing to check: it is empty",
}
"""What each verdict says."""

# Sensitivity from which on the text names it.
_BLIND = 1e-2

LADDER: tuple[tuple[float, str], ...] = (
    (1e-7, "as close as float64 gets"),
    (1e-4, "fine where the loss has corners or is strongly curved, else worth a look"),
    (1e-2, "suspicious"),
    (float("inf"), "probably wrong"),
)
"""How to read a relative error (Stanford CS231n, notes on gradient checks): below the bound, the words apply."""


@dataclass(frozen=True)
class TensorCheck:
    """One parameter tensor.

    Attributes:
        path: its path.
        shape: its shape; a complex one is checked as its real and imaginary parts, (2, ...).
        verdict: see `MEANING`.
        error: the largest relative error ``|a - n| / max(|a|, |n|)`` of numeric against analytic derivatives, of those that
            rounding lets resolve; None where there is none.
        forward_error: the same of the exact derivative of the loss as written, custom rules left out (all coordinates, over the
            largest); None where it could not be had.
        own_error: relative error (Euclidean norm) of the gradient in the user's own precision against float64; None if
            it was not computed.
        sensitivity: the smallest relative error in one typical coordinate (of root-mean-square size) that this check sees.
        analytic: derivatives along what was sampled.
        numeric: the same by central differences.
        sampled: for each, ``"direction"`` or the index of a coordinate.
        slopes: left and right slope along the direction in which the loss has a corner, or None.
        shares: for each part of the loss, its share of the sum of the parts' gradient norms.
        words: one sentence.
    """

    path: str
    shape: tuple[int, ...]
    verdict: Verdict
    error: float | None = None
    forward_error: float | None = None
    own_error: float | None = None
    sensitivity: float | None = None
    analytic: tuple[float, ...] = ()
    numeric: tuple[float, ...] = ()
    sampled: tuple[str, ...] = ()
    slopes: tuple[float, float] | None = None
    shares: dict[str, float] = field(default_factory=dict[str, float])
    words: str = ""


@dataclass(frozen=True)
class RuleCheck:
    """A custom derivative rule, or a `stop_gradient`, at one place of the traced loss.

    Attributes:
        name: the function's name.
        kind: ``"custom_vjp"``, ``"custom_jvp"`` or ``"stop_gradient"``.
        line: the user's line that calls it, or None.
        defined: where the function stands, or None.
        error: relative error of its rule at the values that it sees; for a `stop_gradient`, what it takes out over
            the gradient's norm; None where its function has no derivative to compare with.
        wrong: whether that is more than rounding.
        surrogate: whether it differs as one does on purpose: where its function rounds or compares, whose slope is zero
            (a straight-through estimator), or round the identity (a gradient that is reversed, scaled or clipped).
    """

    name: str
    kind: str
    line: str | None
    defined: str | None
    error: float | None
    wrong: bool
    surrogate: bool = False

    @property
    def sentence(self) -> str:
        """What it is, where, and how far off.

        Example:
            >>> RuleCheck("rounded", "custom_jvp", "model.py:3", None, 1.0, wrong=True, surrogate=True).sentence
            'custom_jvp rounded at model.py:3, error 1.0e+00; right if that is meant'
        """
        name = self.kind if self.name == self.kind else f"{self.kind} {self.name}"
        where = self.line or self.defined or "an unknown line"
        if self.line and self.defined and self.line != self.defined:
            where += f" (defined at {self.defined})"
        meant = "; right if that is meant" if self.surrogate or self.kind == "stop_gradient" else ""
        return f"{name} at {where}, error {_short(self.error)}{meant}"


@dataclass(frozen=True)
class GradientReport:
    """A gradient check of the whole model. Its text is the table.

    Attributes:
        tensors: one entry for each parameter tensor.
        rules: custom rules and `stop_gradient` calls that were looked at.
        tier: ``"whole"``, ``"quick"`` or ``"full"``.
        step: at which step of the run.
        loss: the loss in float64; with several parts, of each.
        precision: ``"float64"``, or what ran in its own precision and why.
        examples: how many examples of the batch were used, or None for the whole batch.
        notes: what else should be known: inputs without a derivative, a loss that is not deterministic.
        evaluations: how often the loss was evaluated.
        seconds: how long it took, compiling included.
    """

    tensors: tuple[TensorCheck, ...]
    rules: tuple[RuleCheck, ...] = ()
    tier: str = "quick"
    step: int = 0
    loss: dict[str, float] = field(default_factory=dict[str, float])
    precision: str = "float64"
    examples: int | None = None
    notes: tuple[str, ...] = ()
    evaluations: int = 0
    seconds: float = 0.0

    @property
    def ok(self) -> bool:
        """Whether no gradient is wrong, stopped, a surrogate, non-finite or undecided."""
        return not self.suspects

    @property
    def suspects(self) -> tuple[TensorCheck, ...]:
        """The tensors whose gradient is not simply right."""
        return tuple(
            each for each in self.tensors if each.verdict in ("wrong", "stopped", "surrogate", "non-finite", "unsure")
        )

    @property
    def checked(self) -> int:
        """How many tensors there was something to check of: they reach the loss, and are not empty."""
        return sum(each.verdict not in ("unreached", "skipped") for each in self.tensors)

    def verdict(self, path: str) -> Verdict:
        """The verdict on one tensor.

        Raises:
            KeyError: there is no tensor of this path.
        """
        for each in self.tensors:
            if each.path == path:
                return each.verdict
        raise KeyError(f"no tensor {path!r}: there are {', '.join(each.path for each in self.tensors)}")

    def to_dict(self) -> dict[str, Any]:
        """Plain values, which `from_dict` reads."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> GradientReport:
        """What `to_dict` gave, also after it was JSON."""
        given: dict[str, Any] = {**values, "notes": tuple(values["notes"])}
        given["tensors"] = tuple(TensorCheck(**_with_tuples(each)) for each in values["tensors"])
        given["rules"] = tuple(RuleCheck(**each) for each in values["rules"])
        return cls(**given)

    def __repr__(self) -> str:
        return "\n".join(self._lines())

    def _lines(self) -> Iterator[str]:
        yield self.headline
        width = max((len(each.path) for each in self.tensors), default=0)
        shown = sorted(self.tensors, key=lambda each: each.verdict in ("ok", "unreached", "skipped"))[:40]
        for each in shown:
            yield f"  {each.path:<{width}}  {each.verdict:<10} {'  '.join(filter(None, (_numbers(each), each.words)))}".rstrip()
        if len(shown) < len(self.tensors):
            yield f"  and {len(self.tensors) - len(shown)} more"
        for rule in self.rules:
            if rule.wrong:
                yield f"  cause: {rule.sentence}"
        yield from (f"  note: {note}" for note in self.notes)

    @property
    def headline(self) -> str:
        """The result in one sentence.

        Example:
            >>> GradientReport((TensorCheck("w", (2,), "ok", 1e-9),), seconds=0.8).headline
            'gradient check (quick, float64): the one tensor is right'
            >>> GradientReport((TensorCheck("w", (2,), "unreached"),)).headline
            'gradient check (quick, float64): nothing was checked (1 unreached)'
        """
        suspects = self.suspects
        counts = [(verdict, [t.path for t in self.tensors if t.verdict == verdict]) for verdict in MEANING]
        parts = [f"{len(paths)} {verdict}" for verdict, paths in counts if paths and verdict != "ok"]
        count, told = len(self.tensors), f" ({', '.join(parts)})" if parts else ""
        right = self.checked
        if suspects:
            told = f"{', '.join(parts)} of {count} tensor{'s' if count != 1 else ''}"
        elif not right:
            told = f"nothing was checked{told}"
        elif right < count:
            told = f"{right} of {count} tensors {'are' if right > 1 else 'is'} right{told}"
        else:
            told = ("the one tensor is right" if count == 1 else f"all {count} tensors are right") + told
        return f"gradient check ({self.tier}, {self.precision}): {told}"


def reading(error: float) -> str:
    """What a relative error says.

    Example:
        >>> reading(3e-9), reading(0.5)
        ('as close as float64 gets', 'probably wrong')
    """
    return next((words for bound, words in LADDER if error < bound), "probably wrong" if error > 0 else "not a number")


def _with_tuples(values: Mapping[str, Any]) -> dict[str, Any]:
    """JSON knows no tuples."""
    return {key: tuple(cast("list[Any]", each)) if isinstance(each, list) else each for key, each in values.items()}


def _numbers(each: TensorCheck) -> str:
    """The errors that are known; forward mode where rounding hides the differences."""
    forward = each.forward_error if each.error is None else None
    # what it says is worth little where little is seen
    blind = each.sensitivity if each.sensitivity is not None and each.sensitivity > _BLIND else None
    known = {"error": each.error, "forward mode": forward, "own precision": each.own_error, "seen from": blind}
    return ", ".join(f"{name} {_short(value)}" for name, value in known.items() if value is not None)


def _short(value: float | None) -> str:
    return "-" if value is None else f"{value:.1e}"
