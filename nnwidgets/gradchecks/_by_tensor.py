"""Sums and extremes of each tensor, of values that lie one tensor after the other. NumPy only, and without BLAS.

BLAS would be quicker by itself, but its threads go on spinning for some 20 ms, on the cores that JAX needs next.
"""

from __future__ import annotations

from typing import Any

import numpy as np


def sums(values: np.ndarray, offsets: np.ndarray) -> np.ndarray:
    """Sum of each tensor (..., tensors) of values (..., numbers); 0 of none.

    Args:
        values: the numbers.
        offsets: where each tensor begins, and where the last one ends (tensors + 1,).

    Example:
        >>> sums(np.array([1.0, 2.0, 3.0]), np.array([0, 2, 2, 3])).tolist()
        [3.0, 0.0, 3.0]
    """
    return _reduced(np.add, values, offsets)


def largest(values: np.ndarray, offsets: np.ndarray) -> np.ndarray:
    """Largest absolute value of each tensor (..., tensors); 0 of none, NaN if one is."""
    return _reduced(np.maximum, np.abs(values), offsets)


def norms(values: np.ndarray, offsets: np.ndarray) -> np.ndarray:
    """Euclidean norm of each tensor (..., tensors)."""
    return np.sqrt(sums(values * values, offsets))


def norm(values: np.ndarray) -> float:
    """Euclidean norm of a vector."""
    return float(np.sqrt(np.einsum("i,i->", values, values)))


def _reduced(reduce: Any, values: np.ndarray, offsets: np.ndarray) -> np.ndarray:
    """This ufunc over each tensor; what is not finite is no news here."""
    filled = offsets[1:] > offsets[:-1]
    found = np.zeros((*values.shape[:-1], len(filled)))
    if filled.any():
        # an empty one would be given the next one's first number
        with np.errstate(invalid="ignore", over="ignore"):
            found[..., filled] = reduce.reduceat(values, offsets[:-1][filled], axis=-1)
    return found
