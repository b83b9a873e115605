"""A point, its gradients, and the directions to look along. NumPy only."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import Any

import numpy as np

from ._rows import Rows

# The share of the largest gradient under which a tensor's own gradient counts as zero.
_FLOOR = 1e-5


@dataclass(frozen=True, eq=False)
class Point:
    """A point at which gradients were computed.

    Attributes:
        inputs: of the programs, as they were given.
        offsets: where each tensor begins, and where the last one ends (tensors + 1,).
        sizes: Euclidean norm of each tensor itself (tensors,).
        values: the parts of the loss (parts,).
        gradients: analytic gradients (parts, numbers).
        seed: of the directions.
        compute_exact: the gradients of the loss as it is written (parts, numbers), or None; computed when first asked for.
    """

    inputs: list[Any]
    offsets: np.ndarray
    sizes: np.ndarray
    values: np.ndarray
    gradients: np.ndarray
    seed: int
    compute_exact: Callable[[], np.ndarray | None]

    @cached_property
    def exact(self) -> np.ndarray | None:
        """The gradients of the loss as it is written, custom rules left out (parts, numbers), or None."""
        return self.compute_exact()

    @cached_property
    def slices(self) -> list[slice]:
        """Where each tensor lies."""
        return [slice(int(start), int(stop)) for start, stop in pairwise(self.offsets)]

    @cached_property
    def norms(self) -> np.ndarray:
        """Euclidean norm of each tensor's gradient (parts, tensors)."""
        return np.array([[_norm(row[here]) for here in self.slices] for row in self.gradients])

    @cached_property
    def scale(self) -> np.ndarray:
        """What errors in a tensor's gradient are compared with (parts, tensors): rounding of a zero gradient is no error."""
        sizes = np.array([[_largest(row[here]) for here in self.slices] for row in self.gradients])
        if self.exact is not None:
            sizes = np.fmax(sizes, [[_largest(row[here]) for here in self.slices] for row in self.exact])
        return np.maximum(sizes, _FLOOR * sizes.max(axis=1, initial=1e-300, keepdims=True))

    @cached_property
    def forward_errors(self) -> np.ndarray | None:
        """The largest gap between analytic and exact gradient over `scale` (parts, tensors); NaN where there is none."""
        if self.exact is None:
            return None
        pairs = list(zip(self.gradients, self.exact, strict=True))
        return np.array([[_largest(a[here] - b[here]) for here in self.slices] for a, b in pairs]) / self.scale

    @cached_property
    def directions(self) -> np.ndarray:
        """(2, numbers); within each tensor of norm 1: one that leans on the gradient, never orthogonal to it; one random."""
        rng, whole = np.random.default_rng(self.seed), self.gradients.sum(axis=0)
        bits = np.unpackbits(np.frombuffer(rng.bytes(2 * (whole.size // 8 + 1)), np.uint8)).reshape(2, -1)
        found = np.empty((2, whole.size))
        for here in self.slices:
            unit = 1 / np.sqrt(max(here.stop - here.start, 1))
            found[:, here] = bits[:, here] * (2 * unit) - unit
            towards = whole[here] / (_norm(whole[here]) or 1.0)
            # turned to its side, since the two might cancel
            leaning = towards + found[0, here] * (1.0 if found[0, here] @ towards >= 0 else -1.0)
            found[0, here] = leaning / (_norm(leaning) or 1.0)
        return found

    @cached_property
    def weights(self) -> np.ndarray:
        """For a row through all tensors at once: one over each gradient's norm, so that each tensor counts alike (tensors,)."""
        whole = self.gradients.sum(axis=0)
        norms = np.array([_norm(whole[here]) for here in self.slices])
        weights = 1 / np.maximum(norms, 1e-3 * norms.max(initial=1e-300))
        return weights / weights.max(initial=1e-300)

    @cached_property
    def _along(self) -> np.ndarray:
        """Derivatives along each tensor's directions (parts, tensors, 2)."""
        slices = self.slices
        return np.array([[self.directions[:, here] @ row[here] for here in slices] for row in self.gradients])

    def analytic(self, rows: Rows) -> np.ndarray:
        """Analytic derivatives along the rows (rows, parts)."""
        whole = np.einsum("t,ptk->kp", self.weights, self._along)
        found = whole[rows.which]
        one, single = rows.tensor >= 0, rows.index >= 0
        found[one] = self._along[:, rows.tensor[one], rows.which[one]].T
        found[single] = self.gradients[:, rows.index[single]].T
        return found

    def furthest(self, tensor: int) -> int:
        """The coordinate of a tensor, counted through all, where analytic and exact gradient are furthest apart."""
        assert self.exact is not None and self.forward_errors is not None
        part, here = int(self.forward_errors[:, tensor].argmax()), self.slices[tensor]
        return here.start + int(np.abs(self.gradients[part, here] - self.exact[part, here]).argmax())


def _norm(values: np.ndarray) -> float:
    return float(np.sqrt(values @ values))


def _largest(values: np.ndarray) -> float:
    """Largest absolute value; 0 of none, NaN if one is."""
    return float(np.maximum(values.max(), -values.min())) if values.size else 0.0
