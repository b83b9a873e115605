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
        numeric: central differences (rows, parts).
        slopes: to the left and to the right (rows, 2, parts).
        tolerance: how far apart analytic and numeric derivatives may be.
    """

    point: Point
    rows: Rows
    numeric: np.ndarray
    slopes: np.ndarray
    tolerance: Tolerance

    @cached_property
    def analytic(self) -> np.ndarray:
        """Analytic derivatives (rows, parts)."""
        return self.point.analytic(self.rows)

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
        mine = self.rows.tensor == t
        analytic, numeric = self.analytic[mine], self.numeric[mine]
        errors = relative_error(analytic, numeric, self.noise(self.rows.step[mine])[:, None])
        if error is None and np.isfinite(errors).any():
            error = float(np.nanmax(errors))
        # of several parts, the one with the larger error is shown
        part = int(errors.max(axis=0, initial=-1.0, where=np.isfinite(errors)).argmax()) if mine.any() else 0
        third = None if self.point.forward_errors is None else self.point.forward_errors[:, t]
        start = int(self.point.offsets[t])
        return TensorCheck(
            path,
            shape,
            verdict,
            error=error,
            forward_error=None if third is None or not np.isfinite(third).all() else float(third.max()),
            sensitivity=self._sensitivity(t),
            analytic=tuple(analytic[:, part].tolist()),
            numeric=tuple(numeric[:, part].tolist()),
            sampled=tuple("direction" if i < 0 else str(i - start) for i in self.rows.index[mine].tolist()),
            **more,
        )

    def _sensitivity(self, t: int) -> float | None:
        """The smallest relative error in one coordinate of typical size that is seen, in the part where that is worst."""
        norms, size = self.point.norms[:, t], np.diff(self.point.offsets)[t]
        if not norms.any():
            return None
        # a part that does not depend on it has nothing to be wrong
        typical = np.where(norms > 0, norms, np.inf) / np.sqrt(size)
        if self.point.forward_errors is not None and np.isfinite(self.point.forward_errors[:, t]).all():
            return float((self.tolerance.forward * self.point.scale[:, t] / typical).max())
        noise = self.noise(np.array(self.tolerance.first))
        return float(((self.tolerance.relative * norms + noise) * np.sqrt(2 * size) / typical).max())
