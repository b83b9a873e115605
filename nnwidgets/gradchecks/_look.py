"""Differences along some rows at one point, beside the analytic derivatives. NumPy only."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np

from nnwidgets.records import TensorCheck

from ._judge import Tolerance, relative_error
from ._point import Point
from ._rows import Rows


@dataclass(frozen=True, eq=False)
class Look:
    """What was measured along some rows.

    Attributes:
        point: where.
        rows: along what.
        analytic: derivatives along them (rows, parts).
        numeric: central differences (rows, parts).
        slopes: to the left and to the right (rows, 2, parts).
        tolerance: how far apart analytic and numeric derivatives may be.
    """

    point: Point
    rows: Rows
    analytic: np.ndarray
    numeric: np.ndarray
    slopes: np.ndarray
    tolerance: Tolerance

    def noise(self, steps: np.ndarray) -> np.ndarray:
        """What rounding may make of a difference; a part may be a small difference of large ones, so the largest counts."""
        return self.tolerance.noise(np.abs(self.point.values).max(), steps)

    @cached_property
    def agreed(self) -> np.ndarray:
        """Whether analytic and numeric derivatives agree (rows, parts)."""
        return self.tolerance.agree(self.analytic, self.numeric, self.noise(self.rows.step)[:, None])

    @cached_property
    def bad(self) -> np.ndarray:
        """Whether a row does not agree (rows,)."""
        return ~self.agreed.all(axis=1)

    def refined(self, where: np.ndarray, closer: Look) -> Look:
        """This one, with the rows at these places as another saw them, where they agree there and not by rounding alone."""
        noise = closer.noise(closer.rows.step)[:, None]
        resolved = np.isfinite(relative_error(closer.analytic, closer.numeric, noise))
        better = (closer.agreed & (resolved | self.agreed[where])).all(axis=1)
        step, numeric, slopes = self.rows.step.copy(), self.numeric.copy(), self.slopes.copy()
        for mine, other in ((step, closer.rows.step), (numeric, closer.numeric), (slopes, closer.slopes)):
            mine[where[better]] = other[better]
        return replace(self, rows=self.rows.at(step), numeric=numeric, slopes=slopes)

    def entry(
        self, t: int, path: str, shape: tuple[int, ...], verdict: Any, error: float | None = None, **more: Any
    ) -> TensorCheck:
        """The entry of one tensor in the report; `error` where it is known better than from these differences."""
        known = {"error": error, "forward_error": self._thirds[t], "sensitivity": self._sensitivities[t], **more}
        mine = self.rows.tensor == t
        if not mine.any():
            return TensorCheck(path, shape, verdict, **known)
        analytic, numeric = self.analytic[mine], self.numeric[mine]
        errors = relative_error(analytic, numeric, self.noise(self.rows.step[mine])[:, None])
        resolved = np.isfinite(errors)
        if error is None and resolved.any():
            known["error"] = float(errors[resolved].max())
        # of several parts, the one with the larger error is shown
        part = int(errors.max(axis=0, initial=-1.0, where=resolved).argmax())
        start = int(self.point.offsets[t])
        return TensorCheck(
            path,
            shape,
            verdict,
            analytic=tuple(analytic[:, part].tolist()),
            numeric=tuple(numeric[:, part].tolist()),
            sampled=tuple("direction" if i < 0 else str(i - start) for i in self.rows.index[mine].tolist()),
            **known,
        )

    @cached_property
    def _thirds(self) -> list[float | None]:
        """For each tensor, how far the exact gradient is from the analytic one."""
        if self.point.forward_errors is None:
            return [None] * (len(self.point.offsets) - 1)
        return _known(self.point.forward_errors.max(axis=0))

    @cached_property
    def _sensitivities(self) -> list[float | None]:
        """The smallest relative error in one coordinate of typical size that is seen, in the part where that is worst.

        One for each tensor; None where a gradient is zero, but for rounding.
        """
        norms, sizes = self.point.norms, np.maximum(np.diff(self.point.offsets), 1)
        # a part that does not depend on it has nothing to be wrong
        typical = np.where(norms > 0, norms, np.inf) / np.sqrt(sizes)
        noise = self.noise(np.array(self.tolerance.first))
        by_differences = (self.tolerance.relative * norms + noise) * np.sqrt(2 * sizes) / typical
        if self.point.forward_errors is not None:
            by_slope = self.tolerance.forward * self.point.scale / typical
            exact = np.isfinite(self.point.forward_errors).all(axis=0)
            by_differences = np.where(exact, by_slope, by_differences)
        return _known(np.where(norms.any(axis=0), by_differences.max(axis=0), np.nan), most=1.0)


def _known(values: np.ndarray, most: float = np.inf) -> list[float | None]:
    """Numbers, None for what is not finite, or larger than that."""
    known = np.isfinite(values) & (values <= most)
    return [each if here else None for each, here in zip(values.tolist(), known.tolist(), strict=True)]
