"""How gradients are checked without nnwidgets: a loop over coordinates, and JAX's own `check_grads`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from jax.test_util import check_grads

COORDINATES, RELATIVE = 10, 1e-2


def central_differences(
    loss: Callable[[list[Any]], Any], tensors: Sequence[Any], step: float, seed: int = 0
) -> list[tuple[np.ndarray, np.ndarray]]:
    """What everybody writes: for some coordinates of each tensor the loss at both sides, one call after the other.

    Args:
        loss: compiled, of a list of tensors.
        tensors: arrays.
        step: to both sides.
        seed: of the coordinates.

    Returns:
        for each tensor the coordinates and the derivatives along them.
    """
    random, found = np.random.default_rng(seed), []
    for t, tensor in enumerate(tensors):
        size = int(np.prod(np.shape(tensor)))
        chosen = random.choice(size, min(COORDINATES, size), replace=False)
        slopes = []
        for index in chosen:
            ends = []
            for by in (step, -step):
                moved = np.array(tensor)
                moved.flat[index] += by
                ends.append(float(loss([*tensors[:t], moved, *tensors[t + 1 :]])))
            slopes.append((ends[0] - ends[1]) / (2 * step))
        found.append((chosen, np.array(slopes)))
    return found


def loop_agrees(
    loss: Callable[[list[Any]], Any], grads: Sequence[Any], tensors: Sequence[Any], step: float, seed: int
) -> bool:
    """The loop's verdict: equal to a hundredth (and NumPy's absolute 1e-8) in every coordinate."""
    found = central_differences(loss, tensors, step, seed)
    return all(
        np.allclose(slopes, np.asarray(grad).ravel()[chosen], rtol=RELATIVE)
        for (chosen, slopes), grad in zip(found, grads, strict=True)
    )


def check_grads_agrees(loss: Callable[[list[Any]], Any], tensors: Sequence[Any]) -> bool:
    """JAX's verdict in reverse mode, with its own steps and tolerances for float32."""
    try:
        check_grads(loss, (list(tensors),), order=1, modes=["rev"])
    except AssertionError:
        return False
    return True
