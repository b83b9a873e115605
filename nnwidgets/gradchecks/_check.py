"""A gradient check of one function: compiled once, for as many points as one likes."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import jax
import numpy as np

from nnwidgets.records import GradientReport, TensorCheck
from nnwidgets.trace import Replay

from ._by_tensor import norms
from ._causes import Causes
from ._function import Function
from ._judge import FLOAT32, FLOAT64
from ._point import Point
from ._procedure import Procedure
from ._programs import MANY, Programs

TIERS = ("whole", "quick", "full")
# Relative error in the user's own precision from which on it is put into words.
_FAR = 0.1
_MANY = (
    f"more than {MANY:,} tensors are looked at all at once, operation by operation; what disagrees is looked at by itself. "
    "Compiling a program of so many takes minutes"
)


class Check:
    """Checks the gradients of one function at as many points as one likes; compiles once.

    Args:
        function: what to check.
    """

    def __init__(self, function: Function) -> None:
        self.function, self.programs = function, Programs(function)
        self.causes = Causes(function, self.programs)
        self._own = jax.jit(lambda inputs: Replay(opens=lambda *_: False)(function.gradient, inputs)[0])

    def run(
        self,
        inputs: Sequence[Any],
        *,
        tier: str = "quick",
        coordinates: int = 10,
        seed: int = 0,
        told: Callable[[str], None] = lambda words: None,
    ) -> GradientReport:
        """Check the gradients at these inputs.

        Args:
            inputs: the tensors, then everything else, flat.
            tier: "whole", and of thousands of tensors always: two directions through all tensors at once, and where they
                disagree one a tensor; "quick": one direction a tensor; "full": two directions and some coordinates a tensor.
            coordinates: how many of each tensor "full" samples, half of them where the gradient is largest.
            seed: of the directions and the coordinates.
            told: hears what is going on.

        Raises:
            ValueError: there is no such tier, or a number is none.
        """
        if tier not in TIERS:
            raise ValueError(f"tier must be one of {', '.join(TIERS)}; got {tier!r}.")
        check_whole(coordinates=coordinates, seed=seed)
        started, evaluated = time.perf_counter(), self.programs.evaluations
        many = self.programs.many
        told(f"checking gradients: {'operation by operation' if many else 'compiling'}")
        tier = "whole" if many else tier
        # not waited for before it is read
        own = self._own(list(inputs))[1:] if tier != "whole" else []
        with jax.enable_x64(True), jax.numpy_dtype_promotion("standard"), jax.disable_jit(many):
            point = self.programs.point(list(inputs), seed)
            foreign = ", ".join(self.programs.float64.foreign)
            if np.isfinite(point.values).all() and np.isfinite(point.norms).all():
                procedure = Procedure(self.function, self.programs, FLOAT32 if foreign else FLOAT64, seed, told)
                report = self._explained(procedure, procedure.report(point, tier, coordinates), told)
            else:
                report, own = GradientReport(self._not_finite(point)), []
        known = zip(report.tensors, _own_errors(point, own), self._shares(point), strict=True)
        tensors = [
            replace(each, own_error=error, shares=shares, words=each.words or _own_words(error))
            if shares or error is not None
            else each
            for each, error, shares in known
        ]
        return replace(
            report,
            notes=(*report.notes, _MANY) if many else report.notes,
            tensors=tuple(tensors),
            tier=tier,
            loss=dict(zip(self.function.parts, point.values.tolist(), strict=True)),
            precision=f"float64, but single precision in {foreign}" if foreign else "float64",
            evaluations=self.programs.evaluations - evaluated,
            seconds=time.perf_counter() - started,
        )

    def _explained(self, procedure: Procedure, report: GradientReport, told: Callable[[str], None]) -> GradientReport:
        if not report.suspects or procedure.moved is None:
            return report
        told("checking gradients: looking for the cause")
        return self.causes.explain(report, procedure.moved, procedure.tolerance)

    def _not_finite(self, point: Point) -> tuple[TensorCheck, ...]:
        """The entries where the loss or some gradient is not finite: no differences were taken."""
        function, words = self.function, ""
        bad = np.array(~np.isfinite(point.norms).all(axis=0))
        if not np.isfinite(point.values).all():
            bad, words = np.ones_like(bad), "the loss itself is NaN or infinite"
        others = "not looked at: another gradient is NaN or infinite"
        return tuple(
            function.unchecked(t)
            or TensorCheck(path, tensor.shape, "non-finite" if bad[t] else "unsure", words=words if bad[t] else others)
            for t, (path, tensor) in enumerate(zip(function.paths, function.tensors, strict=True))
        )

    def _shares(self, point: Point) -> list[dict[str, float]]:
        parts, sums = self.function.parts, point.norms.sum(axis=0)
        if len(parts) == 1:
            return [{} for _ in sums]
        return [
            {name: float(norm / total) if total else 0.0 for name, norm in zip(parts, norms, strict=True)}
            for norms, total in zip(point.norms.T, sums, strict=True)
        ]


def check_whole(least: int = 0, **given: Any) -> None:
    """Raise a ValueError unless all of these are whole numbers of at least that."""
    for name, value in given.items():
        if isinstance(value, bool) or not isinstance(value, (int, np.integer)) or value < least:
            raise ValueError(f"{name} must be a whole number of at least {least}, got {value!r}.")


def _own_words(error: float | None) -> str:
    """What a gradient in the user's own precision is worth, where that is little."""
    if error is None or error < _FAR:
        return ""
    return f"in the model's own precision it is {f'off by {error:.0%}' if np.isfinite(error) else 'NaN or infinite'}"


def _own_errors(point: Point, own: list[Any]) -> list[float | None]:
    """The gradient in the user's precision against float64, all parts together; None where it is zero but for rounding."""
    count = len(point.offsets) - 1
    if not own:
        return [None] * count
    mine = np.zeros_like(point.whole)
    for k, leaf in enumerate(own):
        start, stop = point.offsets[k % count : k % count + 2]
        mine[start:stop] += np.ravel(leaf)
    with np.errstate(invalid="ignore"):
        gap = mine - point.whole
    sizes, apart = norms(point.whole, point.offsets), norms(gap, point.offsets)
    floor = 1e-6 * np.abs(point.whole).max(initial=0.0)
    return [float(gap / size) if size > floor else None for gap, size in zip(apart, sizes, strict=True)]
