"""A loss that stays the same whatever the parameters are."""

from __future__ import annotations

from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np

from nnwidgets.records import Finding

from ._setup import Setup
from ._told import told


@dataclass(frozen=True)
class ConstantLoss:
    """The loss is the same number whatever the parameters are, though they are part of its program: nothing can be learned.

    All gradients of the first step are exactly 0, and other parameters give the same loss to the last bit. Usual
    causes: an output activation over one unit, the labels compared with themselves, outputs that are clipped to one value.
    """

    def check(self, setup: Setup) -> Finding | None:
        """Whether it holds for two other sets of parameters."""
        loss, grads = setup.first
        if any(np.any(np.asarray(leaf)) for leaf in jax.tree.leaves(grads)) or not np.isfinite(loss):
            return None
        if not setup.train.parameters_of(setup.train.program.outputs[0]):
            return None
        rng = jax.random.fold_in(setup.key, 0)
        for seed in (1, 2):
            keys = iter(jax.random.split(jax.random.key(seed), len(jax.tree.leaves(setup.params))))
            params = jax.tree.map(lambda leaf: _moved(leaf, next(keys)), setup.params)  # noqa: B023
            (other, _), _ = setup.gradient(params, setup.state, setup.batch, rng)
            if float(other) != loss:
                return None
        return told(
            self,
            f"The loss is {loss:.6g} whatever the parameters are, and all gradients are exactly 0.",
            "Look at what the loss compares: the outputs must reach it, through an activation that lets them differ.",
            loss=loss,
            largest_gradient=0.0,
        )


def _moved(leaf: jax.Array, key: jax.Array) -> jax.Array:
    scale = jnp.maximum(jnp.std(leaf.astype(jnp.float32)), 0.1)
    return (leaf + scale * jax.random.normal(key, leaf.shape)).astype(leaf.dtype)
