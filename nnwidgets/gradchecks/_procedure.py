"""The procedure of a gradient check: suspicions at the point itself, verdicts close by, where no corner is in the way."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection
from dataclasses import replace
from typing import Any

import jax.numpy as jnp
import numpy as np

from nnwidgets.records import GradientReport, TensorCheck

from ._function import Function
from ._judge import Differences, Tolerance, judge
from ._look import Look
from ._point import Point
from ._programs import Programs
from ._rows import Rows, choose, join, make_rows, with_steps


class Procedure:
    """One run of it; call everything inside ``jax.enable_x64(True)``.

    Args:
        function: what is checked.
        programs: its programs.
        tolerance: what counts as equal.
        seed: of directions, coordinates and the point close by.
        told: hears what is going on.

    Attributes:
        moved: the point close by, once it was needed; None before, and if the loss is finite nowhere near.
    """

    def __init__(
        self, function: Function, programs: Programs, tolerance: Tolerance, seed: int, told: Callable[[str], None]
    ) -> None:
        self._function, self._programs, self.tolerance = function, programs, tolerance
        self._seed, self._told = seed, told
        self.moved: Point | None = None

    def report(self, point: Point, tier: str, coordinates: int) -> GradientReport:
        """First one difference a row; what does not agree is looked at again at a point close by."""
        look = self._first_look(point, tier, coordinates)
        suspects = _suspects(look)
        # only a callback or a kernel can give another value for the same inputs
        note = self._unrepeatable(point) if suspects or self._programs.float64.foreign else ""
        if not suspects and not note:
            return self._agreed(look)
        if note:
            return _unsure(self._agreed(look), set(range(len(self._function.paths))), note)
        self.moved = self._close_by(point)
        if -1 in suspects:
            if self.moved is not None and not _suspects(close := self._look(self.moved, look.rows)):
                note = "the loss has corners at this very point; at a point close by everything agrees"
                return replace(self._agreed(close), notes=(note,))
            # all tensors at once disagree: which of them?
            doubted = point.doubted(self.tolerance.forward) if self._programs.many else ()
            look = self._first_look(point, "quick", coordinates, among=doubted)
            suspects = _suspects(look)
        report = self._agreed(look)
        if self.moved is None:
            note = "no point close by has a finite loss: corners could not be told from faults"
            return _unsure(report, suspects, note)
        if suspects:
            self._told(f"checking gradients: {len(suspects)} tensors are looked at again")
            decided = self._decide(look, suspects, self.moved)
            right = {t for t in point.doubted(self.tolerance.forward) if decided[t].verdict in ("ok", "kink")}
            if right and (other := self._close_by(point, attempt=2)) is not None:
                # a wrong gradient may have been near zero just there
                found = self._decide(look, right, other)
                wrong = {t: each for t, each in found.items() if each.verdict not in ("ok", "kink")}
                decided |= wrong
                self.moved = other if wrong else self.moved
            report = replace(report, tensors=tuple(decided.get(t, each) for t, each in enumerate(report.tensors)))
        return report

    def _first_look(self, point: Point, tier: str, coordinates: int, among: Collection[int] = ()) -> Look:
        """At the tensors that can be looked at; only those among them, if any are given."""
        gradient = point.whole if tier == "full" else None
        tensors = np.flatnonzero((self._programs.sizes > 0) & np.array(self._function.reached))
        tensors = tensors[np.isin(tensors, list(among))] if among else tensors
        return self._look_closely(
            point, choose(self._programs.offsets, tensors, gradient, tier, coordinates, self._seed)
        )

    def _look_closely(self, point: Point, rows: Rows) -> Look:
        """Along rows of any step; what does not agree with smaller ones, too, for a corner may be in reach."""
        analytic = point.analytic(rows)
        step = self.tolerance.step(np.abs(point.values).max(), np.abs(analytic).max(axis=1))
        # 10 microseconds a tensor, for nothing where all of them move at once
        norms = point.sizes if (rows.tensor >= 0).any() else np.ones(1)
        look = self._look(point, with_steps(rows, norms, step), analytic)
        steps = look.rows.step
        for smaller in (10, 100):
            if len(bad := np.flatnonzero(look.bad)):
                look = look.refined(bad, self._look(point, look.rows[bad].at(steps[bad] / smaller)))
        return look

    def _look(self, point: Point, rows: Rows, analytic: np.ndarray | None = None) -> Look:
        ends = self._programs.differences(point, rows, self._progress(len(rows)))
        slopes = np.stack([point.values - ends[:, 1], ends[:, 0] - point.values], axis=1) / rows.step[:, None, None]
        analytic = point.analytic(rows) if analytic is None else analytic
        return Look(point, rows, analytic, (ends[:, 0] - ends[:, 1]) / (2 * rows.step[:, None]), slopes, self.tolerance)

    def _progress(self, rows: int) -> Callable[[int], None]:
        started = time.perf_counter()
        self._told(f"checking gradients: {2 * rows:,} evaluations of the loss")

        def told(done: int) -> None:
            left = (time.perf_counter() - started) / done * (rows - done)
            if left > 1:
                words = f"{done:,} of {rows:,} directions and coordinates, about {left:.0f} s left"
                self._told(f"checking gradients: {words}")

        return told

    def _agreed(self, look: Look) -> GradientReport:
        """The report if all rows agree."""
        return GradientReport(tuple(self._entry(look, t) for t in range(len(self._function.paths))))

    def _entry(self, look: Look, t: int, verdict: Any = "ok", error: float | None = None, **more: Any) -> TensorCheck:
        unchecked = self._function.unchecked(t)
        if unchecked is not None:
            return unchecked
        if not look.point.norms[:, t].any() and verdict == "ok":
            more["words"] = "its gradient is zero at this point"
        return look.entry(t, self._function.paths[t], self._function.tensors[t].shape, verdict, error, **more)

    def _unrepeatable(self, point: Point) -> str:
        """Why the loss has no differences, or ""."""
        # two calls: within one, the compiler makes what does not change once
        once, again = (self._programs.differences(point, make_rows(-1, 0, -1))[0, 0] for _ in range(2))
        traced = point.values
        # a part may be a small difference of large ones, and a device may add up in another order
        rounding = self.tolerance.rounding * np.abs(traced).max()
        if not (np.abs(once - again) <= rounding).all():
            return "the loss is not deterministic for a fixed key: differences of it are noise"
        apart = ~(np.abs(once - traced) <= rounding + 1e-12)
        if apart.any():
            k = int(apart.argmax())
            return (
                f"the {self._function.parts[k]} is {once[k]:.6g}, and {traced[k]:.6g} where its gradient is taken: it draws "
                "random numbers outside of its key, or the forward rule of a custom_vjp returns another value than the function"
            )
        return ""

    def _close_by(self, point: Point, attempt: int = 1) -> Point | None:
        """A point close by, in general position; None if the loss is finite nowhere near."""
        for scale in (1e-2, 1e-3, 1e-5):
            rng = np.random.default_rng((self._seed, attempt))
            moved = self._programs.point([_jittered(each, scale, rng) for each in point.inputs], self._seed)
            if np.isfinite(moved.values).all() and np.isfinite(moved.norms).all():
                return moved
        return None

    def _decide(self, look: Look, suspects: set[int], moved: Point) -> dict[int, TensorCheck]:
        """The entries of the tensors that were suspected."""
        rows = look.rows[np.isin(look.rows.tensor, list(suspects)) & (look.bad | (look.rows.index < 0))]
        doubted = sorted(moved.doubted(self.tolerance.forward))
        # for each tensor whose exact gradient is another, also the coordinate where it is furthest off
        furthest = make_rows(doubted, 0, [moved.furthest(t) for t in doubted])
        close = self._look_closely(moved, join(rows, furthest))
        close, judged, errors = self._judge(close)
        corners, found = self._corners(look, suspects), {}
        for t in suspects:
            mine = close.rows.tensor == t
            verdict = next((each for each in ("wrong", "unsure") if each in judged[mine]), "ok")
            if verdict != "wrong" and t in doubted and not self._can_tell(close, t):
                verdict, errors[mine] = "wrong", np.nan
            if verdict != "ok":
                worst = errors[mine & (judged == verdict)]
                error = float(np.nanmax(worst)) if np.isfinite(worst).any() else None
                found[t] = self._entry(close, t, verdict, error, slopes=corners.get(t))
            elif t in corners:
                found[t] = self._entry(close, t, "kink", slopes=corners[t])
            else:
                found[t] = self._entry(look, t)
        return found

    def _can_tell(self, close: Look, t: int) -> bool:
        """Whether differences resolve the gap between analytic and exact gradient where that is largest."""
        point, index = close.point, close.point.furthest(t)
        assert point.exact is not None
        gap = np.abs(point.gradients[:, index] - point.exact[:, index]).max()
        return bool(gap > 3 * close.noise(np.array(self.tolerance.first)))

    def _judge(self, look: Look) -> tuple[Look, np.ndarray, np.ndarray]:
        """Verdict and error of each row; those that do not agree by a whole ladder of steps, the worse part deciding.

        The look that is given back holds the numeric derivative of the step that shows it best.
        """
        judged, errors = np.full(len(look.rows), "ok", object), np.full(len(look.rows), np.nan)
        bad = np.flatnonzero(look.bad)
        if not len(bad):
            return look, judged, errors
        rows, point, shown = look.rows[bad], look.point, look.numeric.copy()
        ladder = [rows, *(with_steps(rows, point.sizes, step) for step in self.tolerance.ladder)]
        numeric = np.stack([look.numeric[bad], *(self._look(point, each).numeric for each in ladder[1:])])
        smooth = np.stack([self._programs.branches(point, each) for each in ladder])
        forward = self._programs.tangents(point, rows)
        steps = np.stack([each.step for each in ladder])
        order = ("ok", "unsure", "wrong")
        for k, row in enumerate(bad):
            for part in range(numeric.shape[2]):
                at = Differences(
                    float(look.analytic[row, part]), steps[:, k], numeric[:, k, part], look.noise(steps[:, k]), smooth[:, k],
                    None if forward is None else float(forward[k, part]),
                )  # fmt: skip
                verdict = judge(at, self.tolerance)
                shown[row, part] = at.best
                if order.index(verdict) >= order.index(judged[row]):
                    judged[row], errors[row] = verdict, np.fmax(errors[row], at.error)
        return replace(look, numeric=shown), judged, errors

    def _corners(self, look: Look, suspects: set[int]) -> dict[int, tuple[float, float]]:
        """The suspects along whose rows the loss takes another branch, with the slopes to the left and right."""
        here = look.bad & np.isin(look.rows.tensor, list(suspects))
        chosen, slopes = look.rows[here], look.slopes[here]
        found: dict[int, tuple[float, float]] = {}
        for k in np.flatnonzero(~self._programs.branches(look.point, chosen)):
            left, right = slopes[k]
            part = int(np.abs(right - left).argmax())
            found.setdefault(int(chosen.tensor[k]), (float(left[part]), float(right[part])))
        return found


def _suspects(look: Look) -> set[int]:
    """Tensors with a row that does not agree, or whose exact gradient is another; -1 for all of them at once."""
    found = {int(t) for t in look.rows.tensor[look.bad]}
    # the third opinion is dearer than differences through all tensors
    return found if -1 in found else found | look.point.doubted(look.tolerance.forward)


def _unsure(report: GradientReport, suspects: set[int], note: str) -> GradientReport:
    tensors = [
        replace(each, verdict="unsure") if t in suspects and each.verdict == "ok" else each
        for t, each in enumerate(report.tensors)
    ]
    return replace(report, tensors=tuple(tensors), notes=(note,))


def _jittered(value: Any, scale: float, rng: np.random.Generator) -> Any:
    if not jnp.issubdtype(jnp.result_type(value), jnp.floating):
        return value
    array = np.asarray(value, np.float64)
    typical = np.sqrt(np.mean(array**2)) if array.size else 0.0
    return array + scale * (typical or 1.0) * rng.standard_normal(array.shape)
