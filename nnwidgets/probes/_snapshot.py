"""What a probe sees of one step."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import jax
import optax

from nnwidgets.trace import as_real

from ._summary import Summary, summarize

if TYPE_CHECKING:
    from nnwidgets.trace import Watched


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
    """One step, seen from inside a compiled program; itself a pytree.

    Attributes:
        loss: scalar, of the parameters before the update.
        params: the parameters before the update, a pytree.
        grads: the gradients, like `params`.
        updates: what was added to the parameters, like `params`.
        paths: one path for each leaf, in the order of `jax.tree.leaves`.
        state: the mutable model state before the step, e.g. batch statistics, or None.
        batch: the step's batch, or None.
        rng: the step's key, or None.
        watched: what `activations` holds: name, layer, role, function, shape and dtype of each entry.
        capture: (params, state, batch, rng) to the watched values by name; it runs the forward pass again.
    """

    loss: jax.Array
    params: Any
    grads: Any
    updates: Any
    paths: tuple[str, ...]
    state: Any = None
    batch: Any = None
    rng: Any = None
    watched: tuple[Watched, ...] = ()
    capture: Callable[[Any, Any, Any, Any], Mapping[str, jax.Array]] | None = None

    @functools.cached_property
    def activations(self) -> Mapping[str, jax.Array]:
        """The watched values by name, at the parameters before the update; computed once, when first asked for."""
        return {} if self.capture is None else self.capture(self.params, self.state, self.batch, self.rng)

    @property
    def new_params(self) -> Any:
        """The parameters after the update, as `optax.apply_updates` makes them."""
        return optax.apply_updates(self.params, self.updates)

    def tensors(self) -> dict[str, list[jax.Array]]:
        """The leaves of gradient, update and parameter in the order of `paths`, complex ones as pairs of reals (2, ...)."""
        named = {"gradient": self.grads, "update": self.updates, "parameter": self.params}
        return {what: [as_real(leaf) for leaf in jax.tree.leaves(tree)] for what, tree in named.items()}

    @functools.cached_property
    def summaries(self) -> dict[str, Summary]:
        """`summarize` of the gradient's, update's and parameter's tensors, shared by the probes that read them."""
        tensors = self.tensors()
        every = summarize([leaf for leaves in tensors.values() for leaf in leaves])
        count = len(self.paths)
        return {what: Summary(*(row[i * count : (i + 1) * count] for row in every)) for i, what in enumerate(tensors)}


jax.tree_util.register_dataclass(
    Snapshot,
    data_fields=["loss", "params", "grads", "updates", "state", "batch", "rng"],
    meta_fields=["paths", "watched", "capture"],
)
