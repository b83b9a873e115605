"""Raw gradients that pass a mask as updates."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from nnwidgets.records import Finding

from ._setup import Setup
from ._told import told
from ._trials import trials


@dataclass(frozen=True)
class UnmaskedUpdates:
    """Some tensors get their bare gradient as update, with a plus and without a learning rate: they climb and explode.

    `optax.masked` passes what the mask leaves out through unchanged; it does not freeze it. The signature is exact:
    update = +gradient for these tensors, while others are transformed.
    """

    def check(self, setup: Setup) -> Finding | None:
        """The tensors whose update is the made gradient itself."""
        tried = trials(setup)
        if tried is None or not tried.period:
            return None
        grads = tried.sample(tried.made)
        raw = [
            any(np.allclose(tried.responses[s][i], s * grad, rtol=1e-4, atol=0) for s in (1e-4, 1.0))
            and bool(np.any(grad))
            for i, grad in enumerate(grads)
        ]
        if not any(raw) or all(raw):
            return None
        paths = [path for path, is_raw in zip(tried.paths, raw, strict=True) if is_raw]
        return told(
            self,
            f"The optimizer adds the bare gradient (times +1) to {', '.join(paths[:5])}: not frozen, they explode.",
            "Freeze them with optax.multi_transform and optax.set_to_zero() for their label, or optax.partition.",
            where=paths[0],
            update_over_gradient=1.0,
            tensors=len(paths),
        )
