"""Weights that start all the same."""

from __future__ import annotations

from dataclasses import dataclass

import jax
import numpy as np

from nnwidgets.records import Finding

from ._setup import Array, Setup
from ._told import told
from ._weights import find_weights


@dataclass(frozen=True)
class ConstantInitialization:
    """All units of a layer start with the same weights and get the same gradients: they stay one unit for ever.

    Red is exact: equal weights and equal first gradients along an axis of the units. Zeros in the last layer alone, or
    at the end of a residual branch, are healthy: their gradients differ. Usual causes: zeros or a constant as the
    initialiser of every layer.
    """

    def check(self, setup: Setup) -> list[Finding]:
        """The layers whose units can't be told apart."""
        params = jax.tree.leaves(setup.params)
        grads, leaves = (
            [np.asarray(np.real(leaf), np.float64) for leaf in each]
            for each in (jax.tree.leaves(setup.first[1]), params)
        )
        # a complex weight may be constant in one of its parts
        used = {i: each for each in find_weights(setup) for i in each.leaves if not np.iscomplexobj(params[i])}
        equal, only = [], []
        for i in used:
            if leaves[i].ndim < 2 or np.ptp(leaves[i]) > 0:
                if leaves[i].ndim >= 2 and _same_units(leaves[i], grads[i]):
                    equal.append(i)
                continue
            if _same_units(leaves[i], grads[i]) and not self._is_fed_by_zeros(i, used, leaves, grads):
                equal.append(i)
            elif not used[i].is_head and np.any(leaves[i]):
                only.append(i)
        paths = setup.objective.paths
        if equal:
            return [self._told([paths[i] for i in equal], leaves[equal[0]], grads[equal[0]])]
        if only:
            return [self._said([paths[i] for i in only], leaves[only[0]])]
        return []

    def _is_fed_by_zeros(self, i: int, used: dict, leaves: list[Array], grads: list[Array]) -> bool:
        """A zero tensor without a gradient learns later, if other weights between it and the loss get theirs now."""
        if np.any(leaves[i]) or np.any(grads[i]):
            return False
        return any(np.any(grads[k]) for k in used if k != i)

    def _told(self, paths: list[str], values: Array, grads: Array) -> Finding:
        return told(
            self,
            f"All units of {', '.join(paths[:5])} start the same and get the same gradients: they stay one unit for ever.",
            "Draw the weights at random: jax.nn.initializers.lecun_normal() or he_normal().",
            where=paths[0].rpartition("/")[0] or paths[0],
            change=("initialization", "lecun_normal"),
            weight=float(values.ravel()[0]),
            gradient=float(np.abs(grads).max()),
            tensors=len(paths),
        )

    def _said(self, paths: list[str], values: Array) -> Finding:
        return told(
            self,
            f"All weights of {', '.join(paths[:5])} start the same; only what follows tells its units apart.",
            "Draw the weights at random: jax.nn.initializers.lecun_normal() or he_normal().",
            severity="warning",
            where=paths[0].rpartition("/")[0] or paths[0],
            change=("initialization", "lecun_normal"),
            weight=float(values.ravel()[0]),
        )


def _same_units(values: Array, grads: Array) -> bool:
    """Whether along some axis all slices of the weights are equal, and all slices of the gradients."""
    size = float(np.abs(grads).max())
    for axis in range(values.ndim):
        if values.shape[axis] < 2:
            continue
        alike = bool((np.ptp(values, axis) == 0).all())
        if alike and bool((np.ptp(grads, axis) <= 1e-4 * size).all()):
            return True
    return False
