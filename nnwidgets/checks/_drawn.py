"""Parameters drawn anew, with the spread that each tensor has."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np


def drawn_again(params: Any, seed: int) -> Any:
    """Each weight tensor with its own numbers in another order; vectors and scalars (biases, scales) stay as they are.

    An order is a draw: mean, spread and form of the distribution are those of the tensor, whatever rule made it.
    """
    rng = np.random.default_rng(seed)

    def draw(leaf: Any) -> Any:
        values = np.asarray(leaf)
        return jnp.asarray(rng.permutation(values.reshape(-1)).reshape(values.shape)) if values.ndim >= 2 else leaf

    return jax.tree.map(draw, params)
