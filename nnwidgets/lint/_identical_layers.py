"""Layers that start from the same random numbers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import jax
import numpy as np

from nnwidgets.records import Finding

from ._setup import Array, Setup
from ._told import told

_FEWEST = 16
# As many random numbers of 23 bits are never the same by chance.
_FEW = 3


@dataclass(frozen=True)
class IdenticalLayers:
    """Several tensors were drawn with the same key: they hold the same random numbers, up to their scale.

    Side by side (heads, branches, members of an ensemble) they also get the same gradients and stay the same for ever:
    red. One behind the other they are only less random than meant: a warning. Constant tensors and those without a
    gradient are not meant.
    """

    same: float = 0.999

    def check(self, setup: Setup) -> list[Finding]:
        """Groups of tensors whose numbers go up and down together."""
        grads = jax.tree.leaves(setup.first[1])
        leaves = [_numbers(leaf) for leaf in jax.tree.leaves(setup.params)]
        paths = setup.objective.paths
        small = self._small(setup, leaves, grads)
        if small is not None:
            return [small]
        random = [
            i
            for i, leaf in enumerate(leaves)
            if leaf.size >= _FEWEST
            and _is_random((leaf[0] if leaf.ndim > 2 else leaf).ravel()[:256])
            and bool(np.any(_numbers(grads[i])))
        ]
        groups: list[list[int]] = []
        for i in random:
            for group in groups:
                if _alike(leaves[group[0]], leaves[i], self.same):
                    group.append(i)
                    break
            else:
                groups.append([i])
        gradients = [_numbers(leaf) for leaf in grads]
        found = []
        for group in groups:
            first, others = group[0], group[1:]
            if others:
                twin = any(_equal(gradients[first], gradients[i]) and _equal(leaves[first], leaves[i]) for i in others)
                found.append(self._told([paths[i] for i in group], twin, leaves[first]))
            elif leaves[first].ndim > 2 and _all_equal(leaves[first]):
                # layers or members stacked along the first axis
                found.append(self._told([paths[first]], _all_equal(gradients[first]), leaves[first][0]))
        return found

    def _small(self, setup: Setup, leaves: list[Array], grads: list[jax.Array]) -> Finding | None:
        """Tensors too small for a correlation, but with the very same numbers, and the very same gradients."""
        seen: dict[bytes, list[int]] = {}
        for i, leaf in enumerate(leaves):
            if _FEW <= leaf.size < _FEWEST and len(np.unique(leaf)) == leaf.size and _is_random(leaf.ravel()):
                seen.setdefault(leaf.tobytes(), []).append(i)
        for group in seen.values():
            gradient = _numbers(grads[group[0]])
            alike = [i for i in group if gradient.any() and _equal(gradient, _numbers(grads[i]))]
            if len(alike) > 1:
                return self._told([setup.objective.paths[i] for i in alike], True, leaves[alike[0]])
        return None

    def _told(self, paths: list[str], twin: bool, first: Array) -> Finding:
        stay = " They get the same gradients, too, and stay the same for ever." if twin else ""
        return told(
            self,
            f"{', '.join(paths[:5])} {'start' if len(paths) > 1 else 'holds layers that start'} from the same random numbers: "
            f"one key was used for all of them.{stay}",
            "Split the key once for each layer: first, second = jax.random.split(key).",
            severity="problem" if twin else "warning",
            where=paths[0].rpartition("/")[0] or paths[0],
            tensors=len(paths),
            numbers_in_the_first=first.size,
        )


def _numbers(leaf: Any) -> Array:
    """What is compared: the real part of a complex tensor tells."""
    return np.asarray(np.real(leaf), np.float64)


def _is_random(values: Array) -> bool:
    """Not one of the few-valued or ordered tables that are the same on purpose."""
    return len(np.unique(values)) > 0.9 * len(values) and not bool((np.diff(values) >= 0).all())


def _alike(ours: Array, theirs: Array, same: float) -> bool:
    count = min(ours.size, theirs.size, 4096)
    a, b = ours.ravel()[:count], theirs.ravel()[:count]
    return abs(float(np.corrcoef(a, b)[0, 1])) > same


def _all_equal(stacked: Array) -> bool:
    return len(stacked) > 1 and all(_equal(stacked[0], each) for each in stacked[1:])


def _equal(ours: Array, theirs: Array) -> bool:
    return ours.shape == theirs.shape and bool(
        np.allclose(ours, theirs, rtol=1e-4, atol=1e-6 * float(np.abs(ours).max()))
    )
