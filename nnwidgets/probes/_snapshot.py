"""What a probe sees of one step."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import jax


class PerLayer(NamedTuple):
    """One number, or one row of numbers, for each layer.

    Attributes:
        layers: one path a row.
        values: float32 (layers,), or (layers, 2 + bins) for a histogram: low, high, counts.
    """

    layers: tuple[str, ...]
    values: jax.Array


@dataclass(frozen=True)
class Snapshot:
    """One step, seen from inside a compiled program.

    Attributes:
        loss: scalar, of the parameters before the update.
        params: the parameters before the update, a pytree.
        grads: the gradients, like `params`.
        updates: what was added to the parameters, like `params`.
        paths: one path for each leaf, in the order of `jax.tree.leaves`.
    """

    loss: jax.Array
    params: Any
    grads: Any
    updates: Any
    paths: tuple[str, ...]

    def tensors(self) -> dict[str, list[jax.Array]]:
        """The leaves of gradient, update and parameter, each in the order of `paths`."""
        named = {"gradient": self.grads, "update": self.updates, "parameter": self.params}
        return {what: jax.tree.leaves(tree) for what, tree in named.items()}
