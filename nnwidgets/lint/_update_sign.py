"""Updates that go up the slope."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from nnwidgets.records import Finding

from ._setup import Setup
from ._told import told
from ._trials import cosine, trials


@dataclass(frozen=True)
class UpdateSign:
    """The optimizer's updates point along the gradient instead of against it: every step makes the loss larger.

    Seen by giving it the same made gradients several times: the cosine between what it adds to the parameters and the
    gradients, less what it adds for zero gradients. Usual causes: a chain that ends without the minus of the learning
    rate (`optax.scale_by_adam` alone), a minus too many (`optax.scale(-1)` behind `optax.adam`).
    """

    certain: float = 0.2

    def check(self, setup: Setup) -> Finding | None:
        """The tensors whose updates have the gradient's sign, at once and summed up over ten steps."""
        tried = trials(setup)
        if tried is None or not tried.period:
            return None
        grads, course = tried.sample(tried.made), tried.course[:10]
        # the bare gradient of some tensors only is what `UnmaskedUpdates` speaks of
        raw = [
            bool(np.allclose(update, grad, rtol=1e-5, atol=0)) for update, grad in zip(course[0], grads, strict=True)
        ]
        up: list[int] = []
        moving = 0
        for i, grad in enumerate(grads):
            total = sum(step[i] for step in course)
            first, whole = cosine([course[0][i]], [grad]), cosine([total], [grad])
            moving += bool(first or whole)
            if min(first, whole) > self.certain and (all(raw) or not raw[i]):
                up.append(i)
        if not up:
            return None
        everything = len(up) == moving
        totals = [sum(step[i] for step in course) for i in up]
        layer = "" if everything else tried.paths[up[0]]
        named = "The updates" if everything else f"The updates of {', '.join(tried.paths[i] for i in up[:5])}"
        return told(
            self,
            f"{named} go along the gradient instead of against it.",
            "Subtract: end the chain with optax.scale_by_learning_rate(rate) or optax.scale(-rate), and negate only once.",
            where=layer,
            cosine_of_update_and_gradient=cosine(totals, [grads[i] for i in up]),
            tensors=len(up),
        )
