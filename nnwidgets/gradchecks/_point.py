"""A point, its gradients, and what they are along the directions that belong to it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from ._by_tensor import gaps, largest, norm, norms, products
from ._rows import Rows

# The share of the largest gradient under which a tensor's own gradient counts as zero.
_FLOOR = 1e-5
# The share of it under which a gap between two gradients says nothing of their sizes.
_EQUAL = 1e-9


@dataclass(frozen=True, eq=False)
class Point:
    """A point at which gradients were computed.

    Attributes:
        inputs: of the programs, as they were given.
        offsets: where each tensor begins, and where the last one ends (tensors + 1,).
        values: the parts of the loss (parts,).
        computed: analytic gradients (parts, numbers), where JAX left them.
        seed: of the directions (uint32).
        across: derivatives along the two patterns of signs (2, parts, tensors).
        computed_exact: the gradients of the loss as it is written (parts, numbers), where JAX left them; None without.
    """

    inputs: list[Any]
    offsets: np.ndarray
    values: np.ndarray
    computed: Any
    seed: np.uint32
    across: np.ndarray
    computed_exact: Any

    @cached_property
    def gradients(self) -> np.ndarray:
        """Analytic gradients (parts, numbers)."""
        return np.asarray(self.computed)

    @cached_property
    def exact(self) -> np.ndarray | None:
        """The gradients of the loss as it is written, custom rules left out (parts, numbers), or None."""
        return None if self.computed_exact is None else np.asarray(self.computed_exact)

    @cached_property
    def _gaps(self) -> np.ndarray | None:
        """The largest gap between analytic and exact gradient (parts, tensors); NaN where one of them is."""
        return None if self.exact is None else gaps(self.gradients, self.exact, self.offsets)

    @cached_property
    def sizes(self) -> np.ndarray:
        """Euclidean norm of each tensor itself (tensors,)."""
        return np.array([norm(np.ravel(each)) for each in self.inputs[: len(self.offsets) - 1]])

    @cached_property
    def norms(self) -> np.ndarray:
        """Euclidean norm of each tensor's gradient (parts, tensors)."""
        return norms(self.gradients, self.offsets)

    @cached_property
    def scale(self) -> np.ndarray:
        """What errors in a tensor's gradient are compared with (parts, tensors): rounding of a zero gradient is no error."""
        sizes = largest(self.gradients, self.offsets)
        # what is as good as equal is as large
        if self.exact is not None and self._gaps is not None and not (self._gaps <= _EQUAL * sizes).all():
            sizes = np.fmax(sizes, largest(self.exact, self.offsets))
        return np.maximum(sizes, _FLOOR * sizes.max(axis=1, initial=1e-300, keepdims=True))

    @cached_property
    def forward_errors(self) -> np.ndarray | None:
        """The largest gap between analytic and exact gradient over `scale` (parts, tensors); NaN where there is none."""
        return None if self._gaps is None else self._gaps / self.scale

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
        return self.norms[0] if len(self.norms) == 1 else norms(self.whole, self.offsets)

    @cached_property
    def factors(self) -> tuple[np.ndarray, np.ndarray]:
        """Of the gradient (2, tensors), and of the signs (2, tensors), in each tensor's two directions.

        Both have norm 1 in each tensor: one leans on the gradient and is never orthogonal to it; one is random.
        """
        unit = 1 / np.sqrt(np.maximum(np.diff(self.offsets), 1))
        norms, across = self._whole_norms, self.across[0].sum(axis=0)
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
    def mixture(self) -> np.ndarray:
        """`factors` and `weights` in rows (5, tensors)."""
        return np.concatenate([*self.factors, self.weights[None]])

    @cached_property
    def _along(self) -> np.ndarray:
        """Derivatives along each tensor's directions (parts, tensors, 2)."""
        lean, side = self.factors
        towards = self.norms**2 if len(self.norms) == 1 else products(self.gradients, self.whole, self.offsets)
        return (lean[:, None] * towards + side[:, None] * self.across).transpose(1, 2, 0)

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
        part, start, stop = int(self.forward_errors[:, tensor].argmax()), *self.offsets[tensor : tensor + 2].tolist()
        return start + int(np.abs(self.gradients[part, start:stop] - self.exact[part, start:stop]).argmax())
