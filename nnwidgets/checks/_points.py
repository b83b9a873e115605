"""A few data points, in a batch of the size that a program is traced for."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from nnwidgets.lint import Setup

from ._expected import contrast
from ._subject import Subject


@dataclass(frozen=True, eq=False)
class Points:
    """The first examples of the run.

    Attributes:
        setup: the loss, traced for batches of this many examples, at the run's first parameters.
        counts: of how many points batches can be made; (0,) stands for a batch whose rows can't be told apart.
    """

    setup: Setup
    counts: tuple[int, ...]

    def batch(self, count: int) -> Any:
        """The first points, again and again until the batch is full: one program serves all counts.

        The mean over a batch stays the mean over the points, and a batch norm has more than one row to look at.
        """
        if not count:
            return self.setup.batch
        rows = jax.tree.leaves(self.setup.batch)[0].shape[0]
        return jax.tree.map(lambda leaf: leaf[np.arange(rows) % count], self.setup.batch)

    def contradictions(self, count: int) -> int:
        """How many of the points have the inputs of another one and other targets."""
        fields = self.setup.fields
        if not count or not all(any(getattr(f, name) for f in fields) for name in ("is_input", "is_target")):
            return 0
        leaves = jax.tree.leaves(self.setup.batch)
        seen: dict[bytes, set[bytes]] = {}
        for i in range(count):
            inputs = b"".join(np.asarray(leaves[f.index][i]).tobytes() for f in fields if f.is_input)
            targets = b"".join(np.asarray(leaves[f.index][i]).tobytes() for f in fields if f.is_target)
            seen.setdefault(inputs, set()).add(targets)
        return sum(len(each) for each in seen.values() if len(each) > 1)


def take_points(subject: Subject, counts: tuple[int, ...]) -> Points:
    """The first points of the run's first batches; where the loss takes one size of batch alone, of that many rows."""
    given, start = subject.setup, subject.bench.start
    if given.rows is None:
        return Points(_at_start(subject, given.batch), (0,))
    batches = [jax.tree.map(np.asarray, batch) for batch in subject.bench.batches[: -(-max(counts) // given.rows)]]
    pool = jax.tree.map(lambda *leaves: np.concatenate(leaves)[: max(counts)], *batches)
    size = jax.tree.leaves(pool)[0].shape[0]
    setup = _at_start(subject, pool)
    try:
        first = float(setup.loss(start.params, start.state, pool, subject.key, True)[0])
        fits = bool(np.isfinite(first)) and setup.train is not None
    except (TypeError, ValueError):
        fits = False
    if not fits:
        setup, size = _at_start(subject, given.batch), given.rows
    # the same points over and over are no candidates to choose among
    apart = bool(setup.train.head.targets) and not contrast(setup)
    wanted = [count for count in counts if count <= size] if apart else []
    return Points(setup, tuple(wanted) if wanted and wanted[-1] == max(counts) else (*wanted, size))


def _at_start(subject: Subject, batch: Any) -> Setup:
    start, setup = subject.bench.start, subject.setup
    return Setup(setup.objective, setup.tx, [batch], params=start.params, state=start.state, key=subject.key)


def is_noisy(loss: Any, setup: Setup) -> bool:
    """Whether a loss depends on random numbers: there may be a part of it that can't be learned by heart."""
    run = jax.jit(lambda key: loss(setup.params, setup.state, setup.batch, key)[0])
    one, other = (float(run(jax.random.fold_in(setup.key, i))) for i in (1, 2))
    return abs(one - other) > 1e-4 * max(abs(one), float(jnp.finfo(jnp.float32).tiny))
