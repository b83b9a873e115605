"""A notebook cell that displays a session with one finding, for the tests of the picture that stays in a notebook."""

from __future__ import annotations

_CELL = """
import jax.numpy as jnp, numpy as np, optax, nnwidgets as nnw
def loss(params, batch):
    return jnp.mean((batch @ params["in"] @ params["{layer}"]) ** 2)
params = {{"in": jnp.ones((3, 4)), "{layer}": jnp.ones((4, 1))}}
class Slow:
    def check(self, history):
        if len(history["train/loss"]) > 5:
            return nnw.Finding("Slow", "problem", "in", 5, "It <b>creeps</b>.", "Hurry.", line="cell [1]:4")
session = nnw.Session(nnw.Objective(loss, params), optax.sgd(1e-4), [np.ones((2, 3), np.float32)] * 4, rules=(Slow(),),
                      track=False)
session
"""


def slow_session(layer: str = "out") -> str:
    """The cell's code; `layer` names the second of its two layers."""
    return _CELL.format(layer=layer)
