"""The same examples in batches of other sizes, each with the learning rates that it is tried at."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import jax
import numpy as np

from nnwidgets.lint import find_nodes, has_fields

SCALINGS = ("auto", "linear", "square root", "none")


@dataclass(frozen=True)
class Way:
    """A batch size with a learning rate.

    Attributes:
        size: examples in a batch.
        factor: the learning rate beside that of the run.
        multiplier: what the updates are multiplied by for that.
        scaled: whether the rate goes with the size; the run's own way counts as both.
    """

    size: int
    factor: float
    multiplier: float
    scaled: bool


def is_normalised(opt_state: Any) -> bool:
    """Whether the optimizer's updates do not grow with the gradient: it keeps second moments, as Adam does, or takes signs.

    Example:
        >>> import optax
        >>> [is_normalised(tx.init(np.ones(2))) for tx in (optax.sgd(0.1, 0.9), optax.adam(0.1), optax.lion(0.1))]
        [False, True, True]
    """

    def takes_signs(node: Any) -> bool:
        return any(word in type(node).__name__ for word in ("Lion", "Sign"))

    return bool(find_nodes(opt_state, has_fields("nu")) or find_nodes(opt_state, takes_signs))


def scaled_rate(scaling: str, ratio: float) -> float:
    """The learning rate for batches `ratio` times as large, beside the one that they have.

    Example:
        >>> [scaled_rate(each, 16.0) for each in ("linear", "square root", "none")]
        [16.0, 4.0, 1.0]
    """
    return {"linear": ratio, "square root": ratio**0.5, "none": 1.0}[scaling]


def ways_of(sizes: Sequence[int], own: int, scaling: str, *, unscaled: bool, is_sum: bool) -> list[Way]:
    """How each size is trained: with the rate scaled, and with the run's own.

    Args:
        sizes: of the batches.
        own: that of the run.
        scaling: "linear", "square root" or "none".
        unscaled: whether to try the run's own rate, too.
        is_sum: whether updates grow with the batch by themselves, since the loss is a sum over it.
    """
    ways = []
    for size in sizes:
        ratio = size / own
        factor = scaled_rate(scaling, ratio)
        for rate in dict.fromkeys((factor, 1.0) if unscaled else (factor,)):
            ways.append(Way(size, rate, rate / ratio if is_sum else rate, rate == factor))
    return ways


def sizes_of(own: int, factors: Sequence[float], samples: int, most: int) -> list[int]:
    """The sizes to try, the run's own first, the nearest ones next.

    Args:
        own: that of the run.
        factors: times which.
        samples: that each training sees; it makes at least four steps.
        most: examples that there are, without repetition.
    """
    limit = max(own, min(samples // 4, most))
    wanted = {own, *(max(min(own, 2), round(own * factor)) for factor in factors)}
    return sorted((size for size in wanted if size <= limit), key=lambda size: (abs(np.log(size / own)), size))


def regrouped(batches: Sequence[Any], size: int) -> Any:
    """The rows of the batches in batches of another size, stacked along a first axis; what is left over is dropped."""

    def group(*leaves: Any) -> Any:
        rows = np.concatenate(leaves)
        count = len(rows) // size
        return rows[: count * size].reshape(count, size, *rows.shape[1:])

    return jax.tree.map(group, *batches)
