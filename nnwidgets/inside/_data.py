"""The first batches as numbered examples, each brought in a batch of the shape that was traced."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import jax
import numpy as np

from ._network import Network

Form = tuple[Any, ...]


class Data:
    """The rows of some batches, numbered through.

    Args:
        batches: at least one.
        network: gives the network for the form of a batch.

    Raises:
        ValueError: there is no batch.
    """

    def __init__(self, batches: Sequence[Any], network: Callable[[Any], Network]) -> None:
        self.batches = tuple(jax.tree.map(np.asarray, batch) for batch in batches)
        if not self.batches:
            raise ValueError(
                "there are no batches to look at: pass the first few as a list, Inside(objective, [batch])."
            )
        self._network = network
        self._counts = [_rows(batch) for batch in self.batches]

    def __len__(self) -> int:
        return sum(self._counts)

    def find(self, example: int) -> tuple[Network, Any, int]:
        """The network for an example, a batch with the example in it, and its row there.

        Raises:
            IndexError: there is no such example.
        """
        if not 0 <= example < len(self):
            raise IndexError(f"there is no example {example}: they are numbered from 0 to {len(self) - 1}.")
        which = 0
        while example >= self._counts[which]:
            example -= self._counts[which]
            which += 1
        network = self._network(self.batches[which])
        start = example // network.examples * network.examples
        return network, _part(self.batches[which], start, network.examples), example - start

    def parts(self) -> Iterator[tuple[Network, Any, int]]:
        """All examples, in batches of the traced shape: network, batch, and how many of its rows are new."""
        for batch, count in zip(self.batches, self._counts, strict=True):
            network = self._network(batch)
            for start in range(0, count, network.examples):
                part = _part(batch, start, network.examples)
                yield network, part, min(network.examples, count - start)

    def field(self, index: int) -> list[Any]:
        """One of the arrays of each batch."""
        return [jax.tree.leaves(batch)[index] for batch in self.batches]


def form_of(batch: Any) -> Form:
    """What batches have in common that one traced program serves: all but how many rows they have."""
    leaves, structure = jax.tree.flatten(batch)
    rows = _rows(batch)
    shapes = [(np.shape(leaf)[1:], "rows") if _is_rows(leaf, rows) else (np.shape(leaf), "") for leaf in leaves]
    return (structure, tuple(shapes), tuple(np.asarray(leaf).dtype for leaf in leaves))


def _rows(batch: Any) -> int:
    lengths = [np.shape(leaf)[0] for leaf in jax.tree.leaves(batch) if np.ndim(leaf)]
    return lengths[0] if lengths else 1


def _is_rows(leaf: Any, rows: int) -> bool:
    return bool(np.ndim(leaf)) and np.shape(leaf)[0] == rows


def _part(batch: Any, start: int, count: int) -> Any:
    """Rows from `start` on, the last one repeated until there are enough."""
    rows = _rows(batch)
    if start == 0 and rows == count:
        return batch
    chosen = np.minimum(np.arange(start, start + count), rows - 1)
    return jax.tree.map(lambda leaf: leaf[chosen] if _is_rows(leaf, rows) else leaf, batch)
