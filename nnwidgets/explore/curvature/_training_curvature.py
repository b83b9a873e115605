"""The largest eigenvalue of the training loss's Hessian over several batches, in the optimizer's units."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Any

import jax
import jax.numpy as jnp

from nnwidgets.objective import Objective

from .._convolutions import quick_in_loops
from ._hessian import hessian_vector_product, spectrum
from ._several_batches import mean_over


@lru_cache(maxsize=32)
def training_gradient(objective: Objective) -> Callable[..., Any]:
    """(params, state, batches, keys) -> (loss, gradient), compiled: means over stacked batches, each with its own key."""

    def measure(params: Any, state: Any, batches: Any, keys: jax.Array) -> Any:
        def loss(params: Any, batch: Any, key: Any) -> jax.Array:
            return objective(params, state, batch, key, True)[0].astype(jnp.float32)

        gradient = quick_in_loops(jax.value_and_grad(loss))
        return mean_over((batches, keys), lambda given: gradient(params, *given))

    return jax.jit(measure)


@lru_cache(maxsize=32)
def training_curvature(objective: Objective, iterations: int) -> Callable[..., Any]:
    r"""The compiled function that finds the largest eigenvalue of S H S, H the Hessian of the mean loss in training.

    In training, since that is the loss on which the steps are made: batch norms with the batch's statistics, dropout with the
    key of the batch's place, so that it is one function of the parameters.

    Args:
        objective: the loss.
        iterations: Hessian-vector products at most.

    Returns:
        (params, state, batches, keys, scale) -> (eigenvalue, residual), both () float32; ``scale`` is the diagonal of S, a tree
        like the parameters; the eigenvalue is wrong by at most the residual.
    """

    def measure(params: Any, state: Any, batches: Any, keys: jax.Array, scale: Any) -> tuple[jax.Array, jax.Array]:
        def product(vector: Any) -> Any:
            def of_one(given: Any) -> Any:
                batch, key = given
                return hessian_vector_product(lambda at: objective(at, state, batch, key, True)[0], params)(vector)

            return mean_over((batches, keys), of_one)

        found = spectrum(product, params, jax.random.key(0), iterations=iterations, scale=scale)
        return found.values[0], found.residuals[0]

    return jax.jit(measure)
