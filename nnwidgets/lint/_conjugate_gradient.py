"""Imaginary parts that go up the slope."""

from __future__ import annotations

from dataclasses import dataclass

import jax
import numpy as np

from nnwidgets.records import Finding

from ._setup import Setup
from ._told import told
from ._trials import cosine, trials


@dataclass(frozen=True)
class ConjugateGradient:
    """The optimizer subtracts JAX's gradient of a complex parameter as it is: its imaginary part climbs.

    ``jax.grad`` gives dL/dx - i dL/dy for a parameter x + iy, the conjugate of the direction in which the loss rises most
    (JAX's autodiff cookbook, "Complex numbers and differentiation"). Seen by giving the optimizer made gradients: the real
    parts of its updates go against them, and so do the imaginary ones, which should go along.
    """

    certain: float = 0.2

    def check(self, setup: Setup) -> Finding | None:
        """The complex tensors whose real part goes down the slope and whose imaginary part goes up."""
        if not any(map(np.iscomplexobj, jax.tree.leaves(setup.params))):
            return None
        tried = trials(setup)
        if tried is None or not tried.period:
            return None
        made = jax.tree.map(lambda leaf: leaf * (1 + 1j) if np.iscomplexobj(leaf) else leaf, tried.made)
        updates, still = (tried.once(grads, count=tried.peak)[0] for grads in (made, tried.zeros))
        if jax.tree.structure(updates) != jax.tree.structure(made):
            return None
        moved = jax.tree.map(np.subtract, updates, still)
        up = dict[str, float]()
        for path, grad, move in zip(tried.paths, jax.tree.leaves(made), jax.tree.leaves(moved), strict=True):
            real, imaginary = (cosine([part(move)], [part(grad)]) for part in (np.real, np.imag))
            if np.iscomplexobj(grad) and max(real, imaginary) < -self.certain:
                up[path] = imaginary
        if not up:
            return None
        first, more = next(iter(up)), f" and {len(up) - 1} more" if len(up) > 1 else ""
        return told(
            self,
            f"The imaginary part of {first}{more} goes up the slope of the loss: JAX's gradient is the conjugate of the "
            "direction that an optimizer subtracts.",
            "Conjugate first: optax.chain(optax.stateless(lambda grads, _: jax.tree.map(jnp.conj, grads)), tx).",
            where=first,
            change=("gradients", "conjugate"),
            cosine_of_imaginary_parts_of_update_and_gradient=up[first],
            tensors=len(up),
        )
