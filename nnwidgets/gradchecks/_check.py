"""The procedure of a gradient check: suspicions at the point itself, verdicts close by, where no corner is in the way."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import cached_property
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from nnwidgets.records import GradientReport, TensorCheck
from nnwidgets.trace import Replay

from ._causes import Causes
from ._function import Function
from ._judge import FLOAT32, FLOAT64, Differences, Tolerance, judge, relative_error
from ._point import Point
from ._programs import Programs
from ._rows import Rows, choose, join, make_rows, with_steps

TIERS = ("whole", "quick", "full")


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
            tier: "whole": two directions through all tensors at once; "quick": one direction a tensor; "full": two
                directions and some coordinates a tensor.
            coordinates: how many of each tensor "full" samples, half of them where the gradient is largest.
            seed: of the directions and the coordinates.
            told: hears what is going on.

        Raises:
            ValueError: there is no such tier.
        """
        if tier not in TIERS:
            raise ValueError(f"tier must be one of {', '.join(TIERS)}; got {tier!r}.")
        started, evaluated = time.perf_counter(), self.programs.evaluations
        told("checking gradients: compiling")
        own = [np.asarray(each, np.float64) for each in self._own(list(inputs))[1:]] if tier != "whole" else []
        with jax.enable_x64(True):
            point = self.programs.point(list(inputs), seed)
            foreign = ", ".join(self.programs.float64.foreign)
            if np.isfinite(point.values).all() and np.isfinite(point.norms).all():
                looks = _Looks(self, point, FLOAT32 if foreign else FLOAT64, seed, told)
                report = looks.report(tier, coordinates)
            else:
                report = GradientReport(self._not_finite(point))
        tensors = [
            replace(each, own_error=error, shares=shares)
            for each, error, shares in zip(report.tensors, _own_errors(point, own), self._shares(point), strict=True)
        ]
        return replace(
            report,
            tensors=tuple(tensors),
            tier=tier,
            loss=dict(zip(self.function.parts, point.values.tolist(), strict=True)),
            precision=f"float64, but single precision in {foreign}" if foreign else "float64",
            evaluations=self.programs.evaluations - evaluated,
            seconds=time.perf_counter() - started,
        )

    def _not_finite(self, point: Point) -> tuple[TensorCheck, ...]:
        finite = np.isfinite(point.norms).all(axis=0)
        words = "" if np.isfinite(point.values).all() else "the loss itself is NaN or infinite"
        return tuple(
            TensorCheck(path, tensor.shape, "unsure" if fine and not words else "non-finite", words=words)
            for path, tensor, fine in zip(self.function.paths, self.function.tensors, finite, strict=True)
        )

    def _shares(self, point: Point) -> list[dict[str, float]]:
        parts, sums = self.function.parts, point.norms.sum(axis=0)
        if len(parts) == 1:
            return [{} for _ in sums]
        return [
            {name: float(norm / total) if total else 0.0 for name, norm in zip(parts, norms, strict=True)}
            for norms, total in zip(point.norms.T, sums, strict=True)
        ]


class _Looks:
    """One run of the procedure."""

    def __init__(
        self, check: Check, point: Point, tolerance: Tolerance, seed: int, told: Callable[[str], None]
    ) -> None:
        self.function, self.programs, self.point, self.tolerance = check.function, check.programs, point, tolerance
        self._causes, self._seed, self._told = check.causes, seed, told

    def report(self, tier: str, coordinates: int) -> GradientReport:
        """First one difference a row; what does not agree is looked at again at a point close by."""
        rows, tensors = self._choose(tier, coordinates), range(len(self.function.paths))
        first = self._differences(self.point, rows)
        suspects = self._suspects(self.point, rows, first)
        if not suspects:
            return GradientReport(tuple(self._agreed(t, rows, first) for t in tensors))
        note = self._unrepeatable()
        if note:
            agreed = [self._agreed(t, rows, first) for t in tensors]
            unsure = [replace(each, verdict="unsure") if each.verdict == "ok" else each for each in agreed]
            return GradientReport(tuple(unsure), notes=(note,))
        if -1 in suspects:
            if self._agrees_close_by(rows):
                note = "the loss has corners at this very point; at a point close by everything agrees"
                agreed = [self._agreed(t, rows, first, self.moved) for t in tensors]
                return GradientReport(tuple(agreed), notes=(note,))
            # which tensor is it?
            rows = self._choose("quick", coordinates)
            first = self._differences(self.point, rows)
            suspects = self._suspects(self.point, rows, first)
        verdicts = {t: self._agreed(t, rows, first) for t in tensors}
        if self.moved is None:
            note = "no point close by has a finite loss: corners could not be told from faults"
            verdicts |= {t: replace(verdicts[t], verdict="unsure") for t in suspects}
            return GradientReport(tuple(verdicts.values()), notes=(note,))
        if suspects:
            self._told(f"checking gradients: {len(suspects)} tensors are looked at again")
            verdicts |= self._decide(rows, first, suspects, self.moved)
        report = GradientReport(tuple(verdicts[t] for t in tensors))
        if report.suspects:
            self._told("checking gradients: looking for the cause")
            report = self._causes.explain(report, self.moved, self.tolerance)
        return report

    def _choose(self, tier: str, coordinates: int) -> Rows:
        sizes, reached = self.programs.sizes, np.array(self.function.reached)
        gradient = self.point.gradients.sum(axis=0) if tier == "full" else None
        tensors = np.flatnonzero((sizes > 0) & reached)
        rows = choose(self.programs.offsets, tensors, gradient, tier, coordinates, self._seed)
        return with_steps(rows, self.point.sizes, self.tolerance.first)

    def _differences(self, point: Point, rows: Rows) -> np.ndarray:
        """Central differences (rows, parts)."""
        ends = self.programs.differences(point, rows, self._progress(len(rows)))
        return (ends[:, 0] - ends[:, 1]) / (2 * rows.step[:, None])

    def _agrees_close_by(self, rows: Rows) -> bool:
        """Whether differences through all tensors agree at a point close by."""
        if self.moved is None:
            return False
        numeric = self._differences(self.moved, rows)
        return not self._suspects(self.moved, rows, numeric)

    def _suspects(self, point: Point, rows: Rows, numeric: np.ndarray) -> set[int]:
        """Tensors with a row that does not agree, or whose exact gradient is another."""
        noise = self._noise(point, rows.step)
        bad = ~self.tolerance.agree(point.analytic(rows), numeric, noise).all(axis=1)
        found = {int(t) for t in rows.tensor[bad]}
        # the third opinion is dearer than differences through all tensors
        return found if -1 in found else found | self._doubted(point)

    def _doubted(self, point: Point) -> set[int]:
        if point.forward_errors is None:
            return set()
        return {int(t) for t in np.flatnonzero((point.forward_errors > self.tolerance.forward).any(axis=0))}

    def _noise(self, point: Point, steps: np.ndarray) -> np.ndarray:
        # a part may be a small difference of large ones: rounding goes with the largest
        return self.tolerance.noise(np.abs(point.values).max(), steps)[:, None]

    def _agreed(self, t: int, rows: Rows, numeric: np.ndarray, point: Point | None = None) -> TensorCheck:
        """The entry of a tensor whose rows all agree."""
        path, shape = self.function.paths[t], self.function.tensors[t].shape
        if not self.programs.sizes[t]:
            return TensorCheck(path, shape, "skipped", words="it is empty")
        if not self.function.reached[t]:
            return TensorCheck(path, shape, "unreached")
        words = "" if self.point.norms[:, t].any() else "its gradient is zero at this point"
        return self._entry(t, "ok", point or self.point, rows, numeric, words=words)

    def _entry(
        self,
        t: int,
        verdict: Any,
        point: Point,
        rows: Rows,
        numeric: np.ndarray,
        error: float | None = None,
        **more: Any,
    ) -> TensorCheck:
        mine = rows.tensor == t
        analytic, noise = point.analytic(rows)[mine], self._noise(point, rows.step)[mine]
        errors = relative_error(analytic, numeric[mine], noise)
        if error is None and np.isfinite(errors).any():
            error = float(np.nanmax(errors))
        # of several parts, the one with the larger error is shown
        part = int(np.nanargmax(errors.max(axis=0, initial=-1.0, where=np.isfinite(errors)))) if mine.any() else 0
        third = None if point.forward_errors is None else point.forward_errors[:, t]
        return TensorCheck(
            self.function.paths[t],
            self.function.tensors[t].shape,
            verdict,
            error=error,
            forward_error=None if third is None or not np.isfinite(third).all() else float(third.max()),
            sensitivity=self._sensitivity(point, t),
            analytic=tuple(analytic[:, part].tolist()),
            numeric=tuple(numeric[mine][:, part].tolist()),
            sampled=tuple(
                "direction" if i < 0 else str(i - self.programs.offsets[t]) for i in rows.index[mine].tolist()
            ),
            **more,
        )

    def _sensitivity(self, point: Point, t: int) -> float | None:
        """The smallest relative error in one coordinate of typical size that is seen, in the part where that is worst."""
        norms = point.norms[:, t]
        if not norms.any():
            return None
        # a part that does not depend on it has nothing to be wrong
        typical = np.where(norms > 0, norms, np.inf) / np.sqrt(self.programs.sizes[t])
        if point.forward_errors is not None and np.isfinite(point.forward_errors[:, t]).all():
            return float((self.tolerance.forward * point.scale[:, t] / typical).max())
        noise = self.tolerance.noise(np.abs(point.values).max(), np.array(self.tolerance.first))
        seen = (self.tolerance.relative * norms + noise) * np.sqrt(2 * self.programs.sizes[t])
        return float((seen / typical).max())

    def _unrepeatable(self) -> str:
        """Why the loss has no differences, or ""."""
        (once, again), traced = self.programs.differences(self.point, make_rows(-1, 0, -1))[0], self.point.values
        if (once != again).any():
            return "the loss is not deterministic for a fixed key: differences of it are noise"
        if not np.allclose(once, traced, rtol=self.tolerance.rounding, atol=1e-12):
            return (
                f"the loss is {once[0]:.6g}, and {traced[0]:.6g} where its gradient is taken: it draws random numbers outside "
                "of its key, or the forward rule of a custom_vjp returns another value than the function"
            )
        return ""

    def _progress(self, rows: int) -> Callable[[int], None]:
        started = time.perf_counter()
        self._told(f"checking gradients: {2 * rows:,} evaluations of the loss")

        def told(done: int) -> None:
            left = (time.perf_counter() - started) / done * (rows - done)
            if left > 1:
                self._told(
                    f"checking gradients: {done:,} of {rows:,} directions and coordinates, about {left:.0f} s left"
                )

        return told

    @cached_property
    def moved(self) -> Point | None:
        """A point close by, in general position; None if the loss is finite nowhere near."""
        for scale in (1e-2, 1e-3, 1e-5):
            rng = np.random.default_rng((self._seed, 1))
            moved = [_jittered(each, scale, rng) for each in self.point.inputs]
            point = self.programs.point(moved, self._seed)
            if np.isfinite(point.values).all() and np.isfinite(point.norms).all():
                return point
        return None

    def _decide(self, rows: Rows, first: np.ndarray, suspects: set[int], moved: Point) -> dict[int, TensorCheck]:
        """The entries of the tensors that were suspected."""
        here = rows[np.isin(rows.tensor, list(suspects))]
        again = with_steps(join(here, self._furthest(moved)), moved.sizes, self.tolerance.first)
        numeric = self._differences(moved, again)
        bad = ~self.tolerance.agree(moved.analytic(again), numeric, self._noise(moved, again.step)).all(axis=1)
        judged = np.full(len(again), "ok", object)
        errors = np.full(len(again), np.nan)
        if bad.any():
            judged[bad], errors[bad], numeric[bad] = self._judge(moved, again[bad], numeric[bad])
        corners = self._corners(rows, first, suspects)
        found = {}
        for t in suspects:
            mine = set(judged[again.tensor == t])
            verdict = next(each for each in ("wrong", "unsure", "ok") if each in mine or each == "ok")
            if verdict == "ok" and t in corners:
                verdict = "kink"
            error = float(np.nanmax(errors[again.tensor == t])) if verdict == "wrong" else None
            point, shown, differences = (self.point, rows, first) if verdict == "ok" else (moved, again, numeric)
            found[t] = self._entry(t, verdict, point, shown, differences, error, slopes=corners.get(t))
        return found

    def _furthest(self, point: Point) -> Rows:
        """For each tensor whose exact gradient is another, the coordinate where it is furthest off."""
        doubted = sorted(self._doubted(point))
        if not doubted:
            return make_rows([], [], [])
        return make_rows(doubted, 0, [point.furthest(t) for t in doubted])

    def _judge(self, point: Point, rows: Rows, first: np.ndarray) -> tuple[list[str], list[float], np.ndarray]:
        """Each row by the whole ladder of steps, its worse part deciding."""
        factors = np.array((self.tolerance.first, *self.tolerance.ladder)) / self.tolerance.first
        ladder = [rows.at(rows.step * factor) for factor in factors]
        numeric = np.stack([first, *(self._differences(point, each) for each in ladder[1:])])
        smooth = np.stack([self.programs.branches(point, each) for each in ladder])
        forward = self.programs.tangents(point, rows)
        analytic, order = point.analytic(rows), {"ok": 0, "unsure": 1, "wrong": 2}
        verdicts, errors, best = [], [], first.copy()
        for k in range(len(rows)):
            worst = ("ok", np.nan)
            for part in range(analytic.shape[1]):
                steps = np.array([each.step[k] for each in ladder])
                at = Differences(
                    float(analytic[k, part]), steps, numeric[:, k, part], self._noise(point, steps)[:, 0], smooth[:, k],
                    None if forward is None else float(forward[k, part]),
                )  # fmt: skip
                verdict = judge(at, self.tolerance)
                worst = max(worst, (verdict, at.error), key=lambda each: order[each[0]])
                best[k, part] = at.best
            verdicts.append(worst[0])
            errors.append(worst[1])
        return verdicts, errors, best

    def _corners(self, rows: Rows, numeric: np.ndarray, suspects: set[int]) -> dict[int, tuple[float, float]]:
        """The suspects along whose direction the loss takes another branch, with the slopes to the left and right."""
        noise = self._noise(self.point, rows.step)
        bad = ~self.tolerance.agree(self.point.analytic(rows), numeric, noise).all(axis=1)
        bad &= np.isin(rows.tensor, list(suspects))
        chosen = np.flatnonzero(bad)
        if not len(chosen):
            return dict.fromkeys(suspects, (np.nan, np.nan))
        ends = self.programs.differences(self.point, rows[chosen])
        crossed = ~self.programs.branches(self.point, rows[chosen])
        middle = self.point.values
        found: dict[int, tuple[float, float]] = {}
        for k in np.flatnonzero(crossed):
            step, (right, left) = rows.step[chosen[k]], ends[k]
            slopes = np.stack([(middle - left) / step, (right - middle) / step])
            part = int(np.abs(slopes[1] - slopes[0]).argmax())
            found.setdefault(int(rows.tensor[chosen[k]]), (float(slopes[0, part]), float(slopes[1, part])))
        return found


def _jittered(value: Any, scale: float, rng: np.random.Generator) -> Any:
    if not jnp.issubdtype(jnp.result_type(value), jnp.floating):
        return value
    array = np.asarray(value, np.float64)
    typical = np.sqrt(np.mean(array**2)) if array.size else 0.0
    return array + scale * (typical or 1.0) * rng.standard_normal(array.shape)


def _own_errors(point: Point, own: list[np.ndarray]) -> list[float | None]:
    """The gradient in the user's precision against float64, all parts together; None where it is zero but for rounding."""
    count, parts = len(point.sizes), len(point.values)
    whole = point.gradients.sum(axis=0)
    edges = np.cumsum([0, *(each.size for each in own[:count])])
    floor = 1e-6 * np.abs(whole).max(initial=0.0)
    found: list[float | None] = []
    if not own:
        return [None] * count
    for t in range(count):
        exact = whole[edges[t] : edges[t + 1]]
        mine = sum(own[part * count + t].ravel() for part in range(parts))
        size = np.linalg.norm(exact)
        found.append(float(np.linalg.norm(mine - exact) / size) if exact.size and size > floor else None)
    return found
