"""A loss, its gradient and its curvature as means over several batches, one after another."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from nnwidgets.objective import Objective

from ._hessian import hessian_vector_product


class MeanLoss(NamedTuple):
    """A loss in evaluation on several batches; pure functions of the parameters.

    Attributes:
        value: params -> the mean of the batches' losses, float32.
        gradient: params -> (value, gradient).
        product: (params, vector) -> the mean Hessian times the vector.
    """

    value: Callable[[Any], jax.Array]
    gradient: Callable[[Any], tuple[jax.Array, Any]]
    product: Callable[[Any, Any], Any]


def mean_loss(objective: Objective, state: Any, batches: Any, key: jax.Array) -> MeanLoss:
    """The mean loss in evaluation: no dropout, batch norms with their running statistics.

    Only so is it one function of the parameters, in which an example's loss does not depend on the batch that it is in. No
    more memory is taken than for one batch.

    Args:
        objective: the loss.
        state: the model's, or None.
        batches: stacked along a first axis.
        key: for what is random in evaluation.
    """

    def loss(params: Any, batch: Any) -> jax.Array:
        return objective(params, state, batch, key, False)[0].astype(jnp.float32)

    return MeanLoss(
        lambda params: mean_over(batches, lambda batch: loss(params, batch)),
        lambda params: mean_over(batches, lambda batch: jax.value_and_grad(loss)(params, batch)),
        lambda params, vector: mean_over(
            batches, lambda batch: hessian_vector_product(lambda at: loss(at, batch), params)(vector)
        ),
    )


def mean_over(batches: Any, function: Callable[[Any], Any]) -> Any:
    """The mean of a function of one batch over stacked batches; of each leaf of what it returns."""
    count = len(jax.tree.leaves(batches)[0])
    shapes = jax.eval_shape(function, jax.tree.map(lambda leaf: leaf[0], batches))
    zeros = jax.tree.map(lambda leaf: jnp.zeros(leaf.shape, leaf.dtype), shapes)
    total, _ = jax.lax.scan(lambda sum, batch: (jax.tree.map(jnp.add, sum, function(batch)), None), zeros, batches)
    return jax.tree.map(lambda leaf: leaf / count, total)


def is_wide(params: Any) -> bool:
    """Whether all parameters are real and have the precision of float32 or more, which their curvature takes."""
    return all(
        leaf.dtype.kind == "f" and leaf.dtype.itemsize >= 4 for leaf in map(jnp.asarray, jax.tree.leaves(params))
    )
