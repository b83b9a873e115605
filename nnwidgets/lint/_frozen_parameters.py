"""Parameters that the optimizer leaves as they are."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from nnwidgets.records import Finding

from ._setup import Setup
from ._told import told
from ._trials import norm, trials


@dataclass(frozen=True)
class FrozenParameters:
    """The optimizer gives exactly zero for some tensors, whatever their gradient: they never change.

    Right where layers are frozen on purpose; then it is only said. Red where nothing at all moves. Usual causes: a mask
    that is the wrong way round, labels that do not fit the parameters' names, a learning rate of 0.
    """

    def check(self, setup: Setup) -> Finding | None:
        """The tensors with no update at ten steps with made gradients, also with large ones."""
        tried = trials(setup)
        if tried is None:
            return None
        if not tried.period:
            return told(
                self,
                "The optimizer changes no parameter, whatever the gradients.",
                "Look at its learning rate and masks: no update came in 64 steps, at any stage of its schedule.",
                learning_steps_tried=64,
            )
        large = tried.response(1e4)
        moved = [norm([step[i] for step in tried.course]) + norm([large[i]]) for i in range(len(tried.paths))]
        still = [i for i, size in enumerate(moved) if size == 0]
        if not still:
            return None
        sizes = [int(np.prod(leaf.shape)) for leaf in _leaves(setup)]
        paths = [tried.paths[i] for i in still]
        share = sum(sizes[i] for i in still) / max(sum(sizes), 1)
        return told(
            self,
            f"The optimizer never changes {', '.join(paths[:5])}{' and others' if len(paths) > 5 else ''}: {share:.0%} of all "
            "parameters. Right if they are frozen on purpose.",
            "If not, look at the masks and labels that the optimizer was given.",
            severity="warning" if share > 0.5 else "note",
            where=paths[0],
            tensors=len(paths),
            share_of_parameters=share,
        )


def _leaves(setup: Setup) -> list:
    return list(setup.named(setup.params).values())
