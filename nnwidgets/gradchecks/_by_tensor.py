"""Sums and extremes of each tensor, of values that lie one tensor after the other. NumPy only, and without BLAS.

BLAS would be quicker by itself, but its threads go on spinning for some 20 ms, on the cores that JAX needs next. What is
computed on the way is as long as a piece that stays in the processor's cache: ten million numbers take half as long so.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

PIECE = 2**17
"""Numbers of a piece."""


def products(one: np.ndarray, other: np.ndarray, offsets: np.ndarray) -> np.ndarray:
    """Sum over each tensor of the products (..., tensors) of two (..., numbers); 0 of none.

    Args:
        one: the numbers.
        other: by what they are multiplied.
        offsets: where each tensor begins, and where the last one ends (tensors + 1,).

    Example:
        >>> products(np.array([1.0, 2.0, 3.0]), np.ones(3), np.array([0, 2, 2, 3])).tolist()
        [3.0, 0.0, 3.0]
    """
    return _reduced(np.add, np.multiply, offsets, one, other)


def largest(values: np.ndarray, offsets: np.ndarray) -> np.ndarray:
    """Largest absolute value of each tensor (..., tensors); 0 of none, NaN if one is."""
    return _reduced(np.maximum, np.abs, offsets, values)


def gaps(one: np.ndarray, other: np.ndarray, offsets: np.ndarray) -> np.ndarray:
    """Largest absolute difference in each tensor (..., tensors) of two (..., numbers)."""

    def gap(one: np.ndarray, other: np.ndarray) -> np.ndarray:
        apart = one - other
        return np.abs(apart, out=apart)

    return _reduced(np.maximum, gap, offsets, one, other)


def norms(values: np.ndarray, offsets: np.ndarray) -> np.ndarray:
    """Euclidean norm of each tensor (..., tensors)."""
    return np.sqrt(products(values, values, offsets))


def norm(values: np.ndarray) -> float:
    """Euclidean norm of a vector."""
    return float(np.sqrt(np.einsum("i,i->", values, values)))


def _reduced(reduce: Any, of: Callable[..., np.ndarray], offsets: np.ndarray, *arrays: np.ndarray) -> np.ndarray:
    """This ufunc over each tensor of what is made of the arrays; what is not finite is no news here."""
    numbers = arrays[0].shape[-1]
    with np.errstate(invalid="ignore", over="ignore"):
        if numbers <= PIECE:
            return _of_piece(reduce, of(*arrays), offsets)
        found: Any = 0.0
        for start in range(0, numbers, PIECE):
            part = of(*(each[..., start : start + PIECE] for each in arrays))
            cut = np.clip(offsets - start, 0, part.shape[-1])
            found = reduce(found, _of_piece(reduce, part, cut))
    return found


def _of_piece(reduce: Any, values: np.ndarray, offsets: np.ndarray) -> np.ndarray:
    filled = offsets[1:] > offsets[:-1]
    found = np.zeros((*values.shape[:-1], len(filled)))
    if filled.any():
        # an empty one would be given the next one's first number
        found[..., filled] = reduce.reduceat(values, offsets[:-1][filled], axis=-1)
    return found
