"""The numbers of any leaf of a pytree, wherever they lie."""

from __future__ import annotations

from typing import Any

import numpy as np


def as_numpy(leaf: Any) -> np.ndarray:
    """A NumPy array of a leaf: of JAX's on the CPU without a copy, of typed keys their data, of others what NumPy makes.

    Raises:
        Exception: whatever the leaf raises, such as a deleted array, or one that lies partly on another host.
    """
    if is_key(leaf):
        import jax

        return np.asarray(jax.random.key_data(leaf))
    return np.asarray(leaf)


def is_key(leaf: Any) -> bool:
    """Whether it is an array of typed random keys."""
    return str(getattr(leaf, "dtype", "")).startswith("key<")


def as_bytes(array: np.ndarray) -> memoryview:
    """The bytes of an array in the order of its rows, bfloat16 included; without a copy where they lie so."""
    return memoryview(np.ascontiguousarray(array).reshape(-1).view(np.uint8))
