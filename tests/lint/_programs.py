"""Small losses for the tests of the rules: one linear layer, and a loss as people write it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax

import nnwidgets as nnw
from nnwidgets.lint import Setup

ROWS, FEATURES = 12, 5
RNG = np.random.default_rng(0)
INPUTS = RNG.normal(size=(ROWS, FEATURES)).astype(np.float32)


def setup(loss: Callable[[Any, Any], Any], targets: Any, outputs: int = 3) -> Setup:
    """The set-up of ``loss(logits, targets)`` after a layer with this many outputs, ``head``."""
    params = {
        "body": {"w": jnp.asarray(RNG.normal(size=(FEATURES, 6)) * 0.4, jnp.float32)},
        "head": {"w": jnp.asarray(RNG.normal(size=(6, outputs)) * 0.6, jnp.float32), "b": jnp.zeros(outputs)},
    }

    def loss_fn(params: Any, batch: Any) -> Any:
        inputs, targets = batch
        hidden = jax.nn.relu(inputs @ params["body"]["w"])
        return loss(hidden @ params["head"]["w"] + params["head"]["b"], targets)

    return Setup(nnw.Objective(loss_fn, params), optax.sgd(0.1), [(INPUTS, targets)])
