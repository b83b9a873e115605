"""An optimizer initialised with a whole Equinox model, functions and all, raises (patrick-kidger/equinox#364)."""

from __future__ import annotations

import equinox as eqx
import jax
import optax

GROUP = "state"
ACCEPT: set[str] = set()
WHERE = ""
EXPECT = "zeros_like requires ndarray or scalar arguments"


def loud() -> None:
    model = eqx.nn.MLP(6, 2, 16, 1, key=jax.random.key(0))
    optax.adam(1e-3).init(model)
