"""Directions in the space of all parameters: random ones scaled to the filters, the principal ones of a path."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import jax
import numpy as np
import numpy.typing as npt

from nnwidgets.trace import as_given, as_real

Numbers = npt.NDArray[np.float64]


def filter_directions(params: Any, count: int, seed: int = 0, *, filters_first: bool = False) -> list[Any]:
    r"""Random directions in which every filter moves in proportion to its own size.

    Each filter of a normal direction d is scaled to the norm of the network's,
    :math:`d_j \leftarrow d_j \|w_j\| / \|d_j\|`; biases and the parameters of norms (tensors with fewer than two axes) do not
    move (Li et al., "Visualizing the Loss Landscape of Neural Nets", 2018, section 4). A filter is what makes one output
    feature: all axes but the last; where the weights have that one first, all but the first. Where no tensor has two axes,
    each whole one counts as a filter.

    Args:
        params: the network.
        count: how many directions.
        seed: of their random numbers.
        filters_first: whether the output features lie along the first axis, as in Equinox.

    Returns:
        trees like the parameters, NumPy, float32 or complex64.
    """
    generator = np.random.default_rng(seed)
    flat = all(np.ndim(leaf) < 2 for leaf in jax.tree.leaves(params))

    def one(leaf: Any) -> Any:
        weights = np.asarray(leaf, np.complex64 if np.iscomplexobj(leaf) else np.float32)
        if weights.ndim < 2 and not flat:
            return np.zeros_like(weights)
        drawn = as_given(generator.standard_normal(np.shape(as_real(weights)), np.float32), weights)
        kept = {0 if filters_first else weights.ndim - 1} if weights.ndim > 1 else set[int]()
        axes = tuple(axis for axis in range(weights.ndim) if axis not in kept)
        sizes = [np.sqrt(np.sum(np.square(np.abs(each)), axes, keepdims=True)) for each in (weights, drawn)]
        return drawn * sizes[0] / np.maximum(sizes[1], np.finfo(np.float32).tiny)

    return [jax.tree.map(one, params) for _ in range(count)]


@dataclass(frozen=True, eq=False)
class Plane:
    """The plane in which a path lies as nearly as possible.

    Attributes:
        directions: two orthogonal unit vectors, trees like the parameters, NumPy.
        path: coordinates of the points, the last one at the origin (points, 2).
        explained: share of the squared distances to the last point that lies along each of the two.
        lengths: from each point to the next one, in all directions (points - 1,).
    """

    directions: tuple[Any, Any]
    path: Numbers
    explained: tuple[float, float]
    lengths: Numbers


def principal_plane(points: Sequence[Any]) -> Plane | None:
    r"""The principal plane of a path; None where it has no two directions.

    The principal components of the differences to the last point (Li et al. 2018, section 7), from their inner products: with
    :math:`A A^T = U \Lambda U^T` for the matrix A of the differences, direction k is :math:`A^T u_k / \sqrt{\lambda_k}`, and
    no matrix of parameters by parameters is made.

    Args:
        points: parameters along the path, in order.
    """
    leaves, form = [jax.tree.leaves(each) for each in points], jax.tree.structure(points[0])

    def apart(k: int) -> Numbers:
        """What one tensor is beside what it is in the end (points, numbers)."""
        last = np.asarray(as_real(leaves[-1][k]), np.float64).ravel()
        return np.stack([np.asarray(as_real(each[k]), np.float64).ravel() - last for each in leaves])

    gram = sum((each @ each.T for each in map(apart, range(len(leaves[0])))), np.zeros((len(points), len(points))))
    if len(points) < 3 or not np.isfinite(gram).all():
        return None
    values, vectors = (each[..., ::-1] for each in np.linalg.eigh(gram))
    if values[1] <= 1e-10 * values[0]:
        return None
    roots, steps = np.sqrt(values[:2]), np.diag(gram)[1:] + np.diag(gram)[:-1] - 2 * np.diag(gram, 1)
    made = [(vectors[:, :2] / roots).T @ apart(k) for k in range(len(leaves[0]))]
    across, up = (
        jax.tree.unflatten(
            form,
            [
                np.asarray(as_given(np.float32(two[i]).reshape(np.shape(as_real(leaf))), leaf))
                for two, leaf in zip(made, leaves[0], strict=True)
            ],
        )
        for i in range(2)
    )
    first, second = values[:2] / np.maximum(values, 0.0).sum()
    return Plane((across, up), vectors[:, :2] * roots, (float(first), float(second)), np.sqrt(np.maximum(steps, 0.0)))
