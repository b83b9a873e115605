"""Which directions and coordinates a gradient check looks along, and what sampling cannot see."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any

import numpy as np


@dataclass(frozen=True)
class Rows:
    """Lines through a point, along which derivatives are taken; each field has one entry a row.

    Attributes:
        tensor: which tensor moves; -1 for all of them, each weighted by one over its gradient's norm.
        which: 0 for the direction that leans on the gradient, 1 for the random one.
        index: the coordinate, counted through all tensors; -1 for a direction.
        step: how far to go to both sides.
    """

    tensor: np.ndarray
    which: np.ndarray
    index: np.ndarray
    step: np.ndarray

    def __len__(self) -> int:
        return len(self.tensor)

    def __getitem__(self, chosen: Any) -> Rows:
        return Rows(self.tensor[chosen], self.which[chosen], self.index[chosen], self.step[chosen])

    def at(self, steps: Any) -> Rows:
        """The same lines with other steps."""
        return replace(self, step=np.zeros(len(self)) + steps)


def make_rows(tensor: Any, which: Any, index: Any, step: Any = 0.0) -> Rows:
    """Rows from numbers or sequences."""
    fields = [np.atleast_1d(each) for each in (tensor, which, index, step)]
    lengths = [len(each) for each in fields]
    count = max(lengths) if all(lengths) else 0
    made = [np.empty(count, dtype) for dtype in (np.int32, np.int32, np.int32, np.float64)]
    for empty, given in zip(made, fields, strict=True):
        empty[:] = given
    return Rows(*made)


def join(*rows: Rows) -> Rows:
    """One after the other."""
    return Rows(*(np.concatenate([getattr(each, name) for each in rows]) for name in vars(rows[0])))


def choose(offsets: np.ndarray, tensors: np.ndarray, gradient: Any, tier: str, coordinates: int, seed: int) -> Rows:
    """The rows of a tier, without steps.

    Args:
        offsets: where each tensor begins, and where the last one ends (tensors + 1,).
        tensors: the tensors to look at.
        gradient: of all numbers (numbers,); read for the tier "full" only.
        tier: see `Check.run`.
        coordinates: how many of each tensor "full" samples, half of them where the gradient is largest.
        seed: of the coordinates.
    """
    if tier == "whole":
        return make_rows([-1, -1], [0, 1], -1)
    rows = [make_rows(tensors, 0, -1)]
    if tier == "full":
        rows.append(make_rows(tensors, 1, -1))
        rng, size = np.random.default_rng(seed), np.abs(np.asarray(gradient))
        for t in tensors:
            chosen = _coordinates(size[offsets[t] : offsets[t + 1]], coordinates, rng)
            rows.append(make_rows(np.full(len(chosen), t), 0, offsets[t] + chosen))
    return join(*rows)


def _coordinates(size: np.ndarray, count: int, rng: np.random.Generator) -> np.ndarray:
    """Indices, half of them of the largest entries, the others at random; each once."""
    if len(size) <= count:
        return np.arange(len(size))
    largest = np.argpartition(-size, count // 2)[: count // 2]
    others = rng.permutation(np.setdiff1d(rng.choice(len(size), min(len(size), 2 * count), replace=False), largest))
    return np.sort(np.concatenate([largest, others[: count - len(largest)]]))


def with_steps(rows: Rows, norms: np.ndarray, step: Any) -> Rows:
    """The rows with these steps, smaller for a tensor whose own norm is small, so that a step stays a small one.

    Args:
        rows: any.
        norms: of the tensors (tensors,); not read where all tensors move at once.
        step: one number, or one a row.
    """
    scale = np.where(norms > 0, np.clip(norms, 1e-3, 1.0), 1.0)
    return rows.at(step * np.where(rows.tensor < 0, 1.0, scale[np.maximum(rows.tensor, 0)]))


def chance_unsampled(wrong: int, of: int, sampled: int) -> float:
    """The probability that none of `sampled` coordinates is one of the `wrong`, out of `of` (hypergeometric).

    Example:
        >>> round(chance_unsampled(wrong=1, of=1000, sampled=10), 3), round(chance_unsampled(100, of=1000, sampled=10), 3)
        (0.99, 0.347)
    """
    if sampled > of - wrong:
        return 0.0
    return math.exp(sum(math.log1p(-wrong / (of - drawn)) for drawn in range(sampled)))
