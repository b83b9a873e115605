"""Imaginary parts that go up the slope."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from nnwidgets.records import Finding

from ._setup import Setup
from ._told import told
from ._trials import norm, trials


@dataclass(frozen=True)
class ConjugateGradient:
    """The optimizer subtracts JAX's gradient of a complex parameter as it is: its imaginary part climbs.

    ``jax.grad`` gives dL/dx - i dL/dy for a parameter x + iy, the conjugate of the direction in which the loss rises most
    (JAX's autodiff cookbook, "Complex numbers and differentiation"). Seen from the loss itself, a little way along the real
    parts of the first update and along its imaginary parts: with the former it falls or stays, with the latter it rises.

    Attributes:
        far: how far along the update, over the norm of the parameter.
        certain: by what share the loss must rise.
    """

    far: float = 1e-2
    certain: float = 1e-5

    def check(self, setup: Setup) -> Finding | None:
        """The complex tensors whose real part does not go up the slope, and whose imaginary part does."""
        leaves, form = jax.tree.flatten(setup.params)
        if not any(map(np.iscomplexobj, leaves)):
            return None
        tried = trials(setup)
        if tried is None or not tried.period:
            return None
        updates, still = tried.first_updates, tried.once(tried.zeros, count=tried.peak)[0]
        if jax.tree.structure(updates) != form:
            return None
        rng = jax.random.fold_in(setup.key, 0)

        def loss(params: Any) -> float:
            return float(setup.loss(params, setup.state, setup.batch, rng, True)[0])

        start, up = loss(setup.params), dict[str, float]()
        for i, (update, rest) in enumerate(zip(jax.tree.leaves(updates), jax.tree.leaves(still), strict=True)):
            if np.iscomplexobj(leaves[i]):
                real, imaginary = (
                    self._rise(loss, leaves, form, i, part(np.asarray(update) - np.asarray(rest)))
                    for part in (np.real, lambda move: 1j * np.imag(move))
                )
                if imaginary > self.certain * abs(start) >= real:
                    up[tried.paths[i]] = imaginary
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
            loss=start,
            rises_along_the_imaginary_part_of_the_update_by=up[first],
            tensors=len(up),
        )

    def _rise(self, loss: Callable[[Any], float], leaves: list[Any], form: Any, i: int, move: np.ndarray) -> float:
        """The difference of the loss between a little way along this move of one tensor, and a little way back."""
        length, size = norm([np.abs(move)]), norm([np.abs(np.asarray(leaves[i]))])
        if not 0 < length < np.inf:
            return 0.0
        step = np.asarray(move * (self.far * (size or 1.0) / length), leaves[i].dtype)
        ahead, back = (
            loss(jax.tree.unflatten(form, [*leaves[:i], jnp.asarray(leaves[i] + way * step), *leaves[i + 1 :]]))
            for way in (1, -1)
        )
        return ahead - back
