"""A point, its gradients, and what they are along the directions that belong to it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import Any

import numpy as np

from ._rows import Rows
from ._signs import both_signs

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
        computed: analytic gradients (parts, numbers), where JAX left them.
        seed: of the directions (uint32).
        compute_exact: the gradients of the loss as it is written (parts, numbers), or None; computed when first asked for.
    """

    inputs: list[Any]
    offsets: np.ndarray
    sizes: np.ndarray
    values: np.ndarray
    computed: Any
    seed: np.uint32
    compute_exact: Callable[[], np.ndarray | None]

    @cached_property
    def gradients(self) -> np.ndarray:
        """Analytic gradients (parts, numbers)."""
        return np.asarray(self.computed)

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

    def doubted(self, tolerance: float) -> set[int]:
        """The tensors whose exact gradient is another than the analytic one."""
        if self.forward_errors is None:
            return set()
        return {int(t) for t in np.flatnonzero((self.forward_errors > tolerance).any(axis=0))}

    @cached_property
    def whole(self) -> np.ndarray:
        """Analytic gradient of all parts together (numbers,)."""
        return self.gradients[0] if len(self.gradients) == 1 else self.gradients.sum(axis=0)

    @cached_property
    def _whole_norms(self) -> np.ndarray:
        return self.norms[0] if len(self.norms) == 1 else np.array([_norm(self.whole[here]) for here in self.slices])

    @cached_property
    def _across(self) -> np.ndarray:
        """Derivatives along the two patterns of signs (2, parts, tensors)."""
        signs = np.asarray(both_signs(int(self.offsets[-1]), self.seed))
        return np.array(
            [[[row[here] @ sign[here] for here in self.slices] for row in self.gradients] for sign in signs]
        )

    @cached_property
    def factors(self) -> tuple[np.ndarray, np.ndarray]:
        """Of the gradient (2, tensors), and of the signs (2, tensors), in each tensor's two directions.

        Both have norm 1 in each tensor: one leans on the gradient and is never orthogonal to it; one is random.
        """
        unit = 1 / np.sqrt(np.maximum(np.diff(self.offsets), 1))
        norms, across = self._whole_norms, self._across[0].sum(axis=0)
        length = np.where(norms > 0, norms, 1.0)
        # to the gradient's side, since the two might cancel
        side = np.where(across >= 0, unit, -unit)
        both = np.where(norms > 0, np.sqrt(2 + 2 * np.abs(across) * unit / length), 1.0)
        return np.stack([(norms > 0) / length / both, np.zeros_like(unit)]), np.stack([side / both, unit])

    @cached_property
    def weights(self) -> np.ndarray:
        """For a row through all tensors at once: one over each gradient's norm, so that each tensor counts alike (tensors,)."""
        norms = self._whole_norms
        weights = 1 / np.maximum(norms, 1e-3 * norms.max(initial=1e-300))
        return weights / weights.max(initial=1e-300)

    @cached_property
    def _along(self) -> np.ndarray:
        """Derivatives along each tensor's directions (parts, tensors, 2)."""
        lean, side = self.factors
        towards = self.norms**2 if len(self.norms) == 1 else self._towards()
        return (lean[:, None] * towards + side[:, None] * self._across).transpose(1, 2, 0)

    def _towards(self) -> np.ndarray:
        """Derivatives along the whole gradient (parts, tensors)."""
        return np.array([[row[here] @ self.whole[here] for here in self.slices] for row in self.gradients])

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
