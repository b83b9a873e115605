"""Integer parameters swallow every update below 1 (google-deepmind/optax#333); nnwidgets refuses them in words."""

from __future__ import annotations

from typing import Any

import jax.numpy as jnp

import nnwidgets as nnw

GROUP = "gradients"
ACCEPT = {"NonFloatParameters"}
WHERE = "offset"
EXPECT = "params has integer leaves: offset (int32)"


def loud() -> None:
    def squared(params: Any, batch: Any) -> Any:
        inputs, targets = batch
        return jnp.mean((inputs @ params["slope"] + params["offset"] - targets) ** 2)

    nnw.Objective(squared, {"slope": jnp.zeros(3), "offset": jnp.array(100)})
