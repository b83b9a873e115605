"""The inputs of a batch as plain features: standardised numbers, and counts of tokens."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import jax
import numpy as np
import numpy.typing as npt

from nnwidgets.lint import Field, Setup

Array = npt.NDArray[Any]
_MOST_TOKENS, _MOST_FEATURES = 2000, 4096


class Features:
    """From a batch to float32 features, rows first; with positions after them where the outputs have the same ones.

    Args:
        setup: whose fields and first batches tell what the inputs are, and their means and spreads.
        shape: of one example's outputs.

    Attributes:
        positions: how many axes of the outputs have features of their own.

    Raises:
        ValueError: no array of the batch is an input alone, or it holds too many tokens.
    """

    def __init__(self, setup: Setup, shape: tuple[int, ...]) -> None:
        fields = [field for field in setup.fields if field.is_input and not field.is_target and field.shape]
        if not fields:
            raise ValueError("no array of the batch is an input alone")
        own = shape[:-1]
        apart = [field for field in fields if own and field.shape[1 : 1 + len(own)] == own]
        self.positions = len(own) if apart else 0
        self._makers = [self._maker(field) for field in (apart or fields)]

    def __call__(self, batch: Any) -> Array:
        """The features of a batch, (rows, features) or (rows, *positions, features)."""
        leaves = jax.tree.leaves(batch)
        found = [make(np.asarray(leaves[index])) for index, make in self._makers]
        return np.concatenate(found, -1).astype(np.float32)

    def _maker(self, field: Field) -> tuple[int, Any]:
        kept = field.shape[: 1 + self.positions]
        if field.dtype.kind in "iu" and len(field.shape) <= 2:
            return field.index, self._tokens(field, kept)
        values = self._flat(field.values.astype(np.float32), kept)
        step = -(-values.shape[-1] // _MOST_FEATURES)
        values = values[..., ::step].reshape(-1, values[..., ::step].shape[-1])
        mean, deviation = values.mean(0), values.std(0)
        scale = np.where(deviation > 1e-6, deviation, 1.0)
        return field.index, lambda leaf: (self._flat(leaf.astype(np.float32), kept)[..., ::step] - mean) / scale

    def _flat(self, leaf: Array, kept: Sequence[int]) -> Array:
        return leaf.reshape(leaf.shape[0], *kept[1:], -1)

    def _tokens(self, field: Field, kept: Sequence[int]) -> Any:
        """How often each token comes in, and where that is little, which stands at which place."""
        low, high = int(field.values.min()), int(field.values.max())
        count = high - low + 1
        if count > _MOST_TOKENS:
            raise ValueError(f"{field.name} holds {count} different numbers")
        places = int(np.prod(field.shape[len(kept) :], dtype=int))
        apart = 1 < places <= _MOST_FEATURES // count

        def make(leaf: Array) -> Array:
            rows = self._flat(leaf, kept)
            ones = np.eye(count, dtype=np.float32)[np.clip(rows - low, 0, count - 1)]
            counts = ones.sum(-2)
            return np.concatenate([counts, ones.reshape(*counts.shape[:-1], -1)], -1) if apart else counts

        return make
