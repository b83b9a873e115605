"""Into what a batch can be taken apart so that each part has a gradient of its own."""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import blake2b
from typing import Any

import jax
import numpy as np

from nnwidgets.lint._batch_norms import batch_norms_of

from .._lab import Lab

# By which share two gradients that ought to be equal may differ; float32 leaves far less, bfloat16 nearly that.
_CLOSE = 0.02
# Batches that are enough to tell how gradients of batches vary.
_FEWEST = 8
# Rows whose losses are taken one by one.
_COMPARED = 32


@dataclass(frozen=True, eq=False)
class Groups:
    """Examples, in groups whose gradients do not depend on each other.

    Attributes:
        examples: a tree with leaves (groups, rows, ...), NumPy.
        rows: examples in a group; 1 where that is possible.
        batch: examples in a batch of the run.
        share: of a declared penalty that belongs to each example's gradient.
        words: why they are not single examples; "" if they are.
    """

    examples: Any
    rows: int
    batch: int
    share: float = 1.0
    words: str = ""

    @property
    def count(self) -> int:
        """How many groups there are."""
        return len(jax.tree.leaves(self.examples)[0])

    @property
    def is_sum(self) -> bool:
        """Whether the loss is a sum over the batch."""
        return self.share < 1


def groups_of(lab: Lab, examples: int, batches: int) -> Groups | str:
    """Single examples of the coming batches; whole batches where examples influence each other.

    Rows do not influence each other if the gradient is a sum over them: then what replacing the even rows changes does not
    depend on the odd rows. That is measured in training, with one key; batch norms are also looked for in the program.

    Args:
        lab: the run.
        examples: how many, at most.
        batches: how many, where whole ones are taken.

    Returns:
        the groups, or why there are none, in words.
    """
    rows, known = lab.rows, different(lab.batches)
    if rows is None:
        return "the arrays of a batch have no common first axis, so that its examples can't be told apart."
    if rows == 1:
        return Groups(_joined(known[:examples], 1), 1, 1)
    words = _influence(lab, known)
    if words is None:
        return "the gradient is not finite here."
    if not words:
        kind = reduction(lab, known[0], rows)
        if kind in ("mean", "sum"):
            needed = known[: max(1, -(-examples // rows))]
            return Groups(_cut(_joined(needed, 1), examples), 1, rows, 1.0 if kind == "mean" else 1 / rows)
        words = kind
    if len(known) < _FEWEST:
        return f"{words}, so that whole batches must be compared: at least {_FEWEST}, and the data has {len(known)}."
    return Groups(_joined(known[:batches], rows), rows, rows, words=words)


def _influence(lab: Lab, batches: list[Any]) -> str | None:
    """How examples of a batch influence each other in training; "" if they do not, None if that can't be measured."""
    if batch_norms_of(lab.setup.train).found:
        return "batch norms let the examples of a batch influence each other"
    one = batches[0]
    # the next row in place of each, where there is no other batch
    other = batches[1] if len(batches) > 1 else jax.tree.map(lambda leaf: np.roll(leaf, 1, 0), one)
    even = np.arange(lab.rows or 0) % 2 == 0

    def mixed(first: Any, second: Any) -> list[Any]:
        batch = jax.tree.map(lambda a, b: np.where(even.reshape(-1, *[1] * (a.ndim - 1)), a, b), first, second)
        _, grads = lab.setup.gradient(lab.params, lab.state, batch, jax.random.fold_in(lab.key, 0))
        return [
            np.asarray(leaf).astype(np.complex128 if leaf.dtype.kind == "c" else float)
            for leaf in jax.tree.leaves(grads)
        ]

    neither, evens, odds, both = mixed(one, one), mixed(other, one), mixed(one, other), mixed(other, other)
    apart = _norm([a - b - c + d for a, b, c, d in zip(neither, evens, odds, both, strict=True)])
    changes = [_norm([a - b for a, b in zip(neither, each, strict=True)]) for each in (evens, odds)]
    if not np.isfinite([apart, *changes]).all():
        return None
    return (
        "the examples of a batch influence each other" if apart > _CLOSE * max(changes) + 1e-5 * _norm(neither) else ""
    )


def reduction(lab: Lab, batch: Any, rows: int) -> str:
    """Either "mean" or "sum", from the loss of rows together beside those of single ones; else why it is neither."""
    rows = min(rows, _COMPARED)

    def loss(batch: Any) -> float:
        value, (_, aux) = lab.setup.loss(lab.params, lab.state, batch, jax.random.fold_in(lab.key, 0), False)
        return float(value) - float(aux.get("penalty", 0.0))

    try:
        singles = [loss(jax.tree.map(lambda leaf, i=i: leaf[i : i + 1], batch)) for i in range(rows)]
    except (TypeError, ValueError):
        return "the loss takes batches of one size alone"
    whole, total = loss(_cut(batch, rows)), float(np.sum(singles))
    size = float(np.sum(np.abs(singles)))
    if abs(whole - total / rows) <= _CLOSE * size / rows:
        return "mean"
    return (
        "sum" if abs(whole - total) <= _CLOSE * size else "the loss of a batch is not the mean of its examples' losses"
    )


def different(batches: list[Any]) -> list[Any]:
    """The batches without those that came before."""
    known: dict[bytes, Any] = {}
    for batch in batches:
        mark = blake2b(digest_size=16)
        for leaf in jax.tree.leaves(batch):
            mark.update(np.ascontiguousarray(leaf).tobytes())
        known.setdefault(mark.digest(), batch)
    return list(known.values())


def _joined(batches: list[Any], rows: int) -> Any:
    """All their rows, in groups of so many."""

    def join(*leaves: Any) -> Any:
        joined = np.concatenate(leaves)
        return joined.reshape(-1, rows, *joined.shape[1:])

    return jax.tree.map(join, *batches)


def _cut(tree: Any, count: int) -> Any:
    return jax.tree.map(lambda leaf: leaf[:count], tree)


def _norm(leaves: list[Any]) -> float:
    return float(np.sqrt(sum(np.sum(np.abs(leaf) ** 2) for leaf in leaves)))
