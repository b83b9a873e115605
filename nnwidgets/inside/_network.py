"""One traced network: what can be taken from it, and its compiled programs, whatever the parameters."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from functools import cached_property
from typing import Any

import jax
import numpy as np
import optax

from nnwidgets.lint import Setup, Traced
from nnwidgets.lint._rows import rows_of
from nnwidgets.objective import Objective, leaf_paths
from nnwidgets.trace import Replay, Value, values_at

from ._spots import Spot, find_spots

# Rows of a batch that is evaluated for the sake of one of them.
_ENOUGH = 32
# Values that are looked at side by side.
_MOST = 64


class Network:
    """The loss of an objective in evaluation, traced on a batch of one shape.

    Attributes:
        objective: the loss.
        batch: on which it was traced, with NumPy leaves.
        traced: the program.
        examples: in that batch.
    """

    def __init__(self, objective: Objective, batch: Any, key: jax.Array) -> None:
        self.objective, self.key = objective, jax.random.fold_in(key, 0)
        self.setup, self.traced = _trace(objective, batch, key)
        self.batch = self.setup.batch
        self.examples = max(rows_of(self.traced).count, 1)
        self.paths = leaf_paths(self.batch)
        self._index = {id(value): i for i, value in enumerate(self.traced.program.inputs)}
        self._compiled: dict[Hashable, Callable[..., Any]] = {}

    @cached_property
    def spots(self) -> tuple[Spot, ...]:
        """What is watched: layers' outputs and nonlinearities' outputs, in the order in which they are made."""
        return find_spots(self.traced, self.examples)

    @cached_property
    def some(self) -> list[Spot]:
        """All of them; of many some, evenly chosen."""
        chosen = np.linspace(0, len(self.spots) - 1, min(len(self.spots), _MOST)).round().astype(int)
        return [self.spots[i] for i in chosen]

    @cached_property
    def layers(self) -> dict[str, Spot]:
        """The layers' outputs by name, in order."""
        return {spot.name: spot for spot in self.spots if spot.call is not None}

    def layer(self, name: str) -> Spot:
        """The output of this name.

        Raises:
            ValueError: there is none.
        """
        if name not in self.layers:
            raise ValueError(f"there is no layer {name!r}: the layers are {', '.join(self.layers) or 'none'}.")
        return self.layers[name]

    def leaves(self, params: Any, state: Any, batch: Any) -> list[Any]:
        """What goes into the program."""
        return jax.tree.leaves([params, state, batch, self.key])

    @property
    def first_field(self) -> int:
        """Where the arrays of the batch begin among the leaves."""
        return len(self.traced.parameters) + len(self.traced.states)

    def compiled(self, name: Hashable, make: Callable[[], Callable[..., Any]]) -> Callable[..., Any]:
        """The compiled program of this name; made when it is first asked for."""
        if name not in self._compiled:
            self._compiled[name] = jax.jit(make())
        return self._compiled[name]

    def take(self, leaves: Sequence[Any], spots: Sequence[Spot]) -> list[jax.Array]:
        """These values by example, see `Spot.by_example`; pure, to be called inside `jax.jit`."""
        places = {spot.taken.place for spot in spots if spot.taken is not None}
        return self._read(leaves, spots, values_at(self.traced.closed, list(leaves), places) if places else {})

    def take_shifted(self, leaves: Sequence[Any], spots: Sequence[Spot], at: Any, addition: Any) -> list[jax.Array]:
        """The same with something added to the value at one place; its derivative is that of the value there.

        Args:
            leaves: what goes in.
            spots: what comes out.
            at: a place outside loops.
            addition: of the value's shape.
        """
        wanted = {spot.taken.place for spot in spots if spot.taken is not None} | {at}
        opened = {address[:k] for address, _ in wanted for k in range(len(address))}

        def note(eqn: Any, address: Any, values: list[Any], outputs: list[Any]) -> Mapping[Hashable, Any]:
            if address == at[0]:
                # the list that the replay goes on with
                outputs[at[1]] = outputs[at[1]] + addition
            return {(address, k): value for k, value in enumerate(outputs) if (address, k) in wanted}

        _, found = Replay(note=note, opens=lambda eqn, address: address in opened)(self.traced.closed, list(leaves))
        return self._read(leaves, spots, found)

    def _read(self, leaves: Sequence[Any], spots: Sequence[Spot], found: Mapping[Any, Any]) -> list[jax.Array]:
        raw = [
            spot.taken.of(found) if spot.taken is not None else leaves[self._index[id(spot.value)]]  # pyright: ignore[reportArgumentType]
            for spot in spots
        ]
        return [spot.by_example(array) for spot, array in zip(spots, raw, strict=True)]

    def raw(self, leaves: Sequence[Any], value: Value) -> Any:
        """A value as it is in the program, parameters without running it; inside a scan with the iterations first."""
        if id(value) in self._index:
            return np.asarray(leaves[self._index[id(value)]])
        program = self.compiled(
            ("raw", value.place), lambda: lambda leaves: values_at(self.traced.closed, leaves, [value.place])
        )
        return np.asarray(program(list(leaves))[value.place])


def _trace(objective: Objective, batch: Any, key: jax.Array) -> tuple[Setup, Traced]:
    """Traced on a few rows of the batch, on all of them where the loss does not like few."""
    leaves = [np.asarray(leaf) for leaf in jax.tree.leaves(batch)]
    rows = next((leaf.shape[0] for leaf in leaves if leaf.ndim), 0)
    if rows > _ENOUGH:
        few = [leaf[:_ENOUGH] if leaf.ndim and leaf.shape[0] == rows else leaf for leaf in leaves]
        setup = Setup(objective, optax.identity(), [jax.tree.unflatten(jax.tree.structure(batch), few)], key=key)
        try:
            return setup, setup.evaluation
        except Exception:
            # a batch size may be written into the loss; where that is not it, the next line raises it again
            pass
    setup = Setup(objective, optax.identity(), [batch], key=key)
    return setup, setup.evaluation
