"""Which terms of a loss are penalties on the parameters."""

from __future__ import annotations

from typing import Any

import jax
import numpy as np

from ._setup import Setup
from ._terms import Term, value_function


def is_penalty(setup: Setup, term: Term) -> bool:
    """Whether a term of the parameters alone grows with their size, whatever their sign.

    The logarithm of a learned scale, say, does not.
    """
    now, larger, turned = sizes(setup, term)
    return abs(larger) > abs(now) > 0 and bool(np.isclose(turned, now, rtol=1e-3))


def sizes(setup: Setup, term: Term) -> tuple[float, float, float]:
    """What a term gives to the loss: with the parameters as they are, with larger ones, and with their signs turned."""
    run = jax.jit(lambda *given: value_function(setup, [term])(*given)[0])
    rng = jax.random.fold_in(setup.key, 0)

    def value(factor: float) -> float:
        params: Any = jax.tree.map(lambda leaf: (factor * leaf).astype(leaf.dtype), setup.params)
        return float(run(params, setup.state, setup.batch, rng))

    return value(1.0), value(1.1), value(-1.0)
